"""The other side of `layoutrt.runtime.profiling.worker`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.runner import Run
from layoutrt.runtime.usable import usable_processors


@dataclass(frozen=True)
class WarmUp:
    """What the runs before the counted ones came to."""

    first_ms: float
    """Of the first run."""
    runs: int
    steady: bool
    """Whether the rule of `layoutrt.runtime.profiling.steady` was met."""
    median_ms: float
    """Of the last of them."""


@dataclass(frozen=True)
class Turn:
    """Some runs in a row."""

    runs: list[Run]
    elapsed_ms: float
    """From the start of the first to the end of the last."""
    rss_mb: float
    """Memory of the process after them."""


@dataclass(frozen=True)
class End:
    """What is known after the last run."""

    peak_mb: float
    """Most memory that the process ever had, the interpreter and libraries included."""
    before_mb: float
    """What it had before the model was opened."""
    details: dict[str, Any]


class WorkerProcess:
    """A process that has opened a runner and waits.

    Args:
        spec: see `layoutrt.runtime.profiling.worker`; ``threads`` may be None.

    Attributes:
        stages: as of the runner.
        backend: as of the runner.
        load_ms: it took to open it.
        pid: of the process.

    Raises:
        LayoutRTError: the runner could not be opened.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        threads = str(spec.get("threads") or usable_processors())
        # numpy's products are divided among threads by the runners.
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": "1"}
        self._name = spec.get("name") or spec.get("model") or spec["runner"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "layoutrt.runtime.profiling.worker", json.dumps(dict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.pid = self._process.pid
        try:
            opened = self._answer()
        except BaseException:
            self.close()
            raise
        self.stages: tuple[str, ...] = tuple(opened["stages"])
        self.backend: str = opened["backend"]
        self.load_ms: float = opened["load_ms"]

    def warm_up(self, runs: int | None) -> WarmUp:
        """Run until steady, or just ``runs`` times."""
        return WarmUp(**self._ask(do="warm_up", runs=runs))

    def turn(self, lead: int, count: int) -> Turn:
        """Run ``lead`` times without counting, then ``count`` times."""
        answer = self._ask(do="turn", lead=lead, count=count)
        runs = [Run(started, total, tuple(stages)) for started, total, stages in answer["runs"]]
        return Turn(runs, answer["elapsed_ms"], answer["rss_mb"])

    def end(self) -> End:
        """Write the result where the specification says so, and free the model."""
        return End(**self._ask(do="end"))

    def close(self) -> None:
        """End the process. Allowed more than once."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        # A process that has ended gives no answer, which says so.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LayoutRTError(
                f"the process that ran {self._name} ended with status {self._process.wait()}; "
                "what it said is above"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LayoutRTError(answer["error"])
        return answer
