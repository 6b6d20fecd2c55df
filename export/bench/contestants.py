"""Two or more ways to compute the same, each in a process of its own, timed in turns.

A process of its own has thread pools that stand in nobody's way and a peak memory that is its own. Turns let
a slow spell of the machine meet all alike.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WARM_UP = 2
"""Turns of each that are not counted."""
SETTLE_S = 0.02
"""Before each turn: the threads of the last contestant spin for a while before they sleep."""


@dataclass(frozen=True)
class Cost:
    """Of one contestant."""

    ms: float
    """Median of a run."""
    peak_mb: float
    """Most memory that its process ever had, the interpreter and libraries included."""
    result: NDArray
    """What its last run computed."""


class Contestant:
    """A worker process that has made its computation ready and waits.

    Args:
        spec: see `layoutrt.export.bench.worker`.
        threads: that it may use.

    Raises:
        RuntimeError: the process ended; what it said is on standard error.
    """

    def __init__(self, spec: Mapping[str, Any], threads: int) -> None:
        # numpy's products are divided among threads by the worker.
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
        self._result = str(spec["result"])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "layoutrt.export.bench.worker", json.dumps({**spec, "threads": threads})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._answer()

    def run(self) -> float:
        """Compute once; ms."""
        return float(self._ask("run")["ms"])

    def cost(self, times: list[float]) -> Cost:
        """End the work: what it took, and what it came to."""
        peak = float(self._ask("end")["peak_mb"])
        return Cost(statistics.median(times), peak, np.load(self._result))

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def _ask(self, word: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process of the benchmark ended with status {self._process.wait()}")
        return json.loads(line)


def compare(
    specs: Mapping[str, Mapping[str, Any]],
    threads: int,
    rounds: int,
    *,
    lead: int = 1,
    streak: int = 1,
) -> dict[str, Cost]:
    """Time every contestant ``rounds`` times, in turns.

    Args:
        specs: what each does, by its name; see `layoutrt.export.bench.worker`.
        threads: of each.
        rounds: runs of each that are counted, at least.
        lead: runs that are not counted at the start of each turn, after which caches and threads are as in a
            stream of frames.
        streak: runs of a turn that are counted.

    Returns:
        Times, memory and results, by name.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contestants: dict[str, Contestant] = {}
        for index, (name, spec) in enumerate(specs.items()):
            contestants[name] = Contestant({**spec, "result": str(folder / f"{index}.npy")}, threads)
            stack.callback(contestants[name].close)
        times: dict[str, list[float]] = {name: [] for name in contestants}
        for turn in range(WARM_UP + -(-rounds // streak)):
            for name, contestant in contestants.items():
                time.sleep(SETTLE_S)
                measured = [contestant.run() for _ in range(lead + streak)]
                if turn >= WARM_UP:
                    times[name] += measured[lead:]
        return {name: contestant.cost(times[name]) for name, contestant in contestants.items()}
