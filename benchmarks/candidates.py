"""Two or more ways to compute the same, each in a process of its own, timed in turns as ``layoutrt profile``
does."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layoutrt.files import temporary_folder
from layoutrt.runtime.profiling.turns import take_turns
from layoutrt.runtime.profiling.worker_process import WorkerProcess

RUNNER = "benchmarks.worker:KindRunner"

WARM_UP = 2
"""Turns of each that are not counted."""


@dataclass(frozen=True)
class Cost:
    """Time and memory of one candidate."""

    ms: float
    """Median of a run."""
    peak_mb: float
    """Most memory that its process ever had, the interpreter and libraries included."""
    result: NDArray
    """Result of its last run."""


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
        specs: what each does, by its name; see `benchmarks.worker`.
        threads: of each.
        rounds: runs of each that are counted, at least.
        lead: runs that are not counted at the start of each turn, after which caches and threads are as in a
            stream of frames.
        streak: runs of a turn that are counted.

    Returns:
        Times, memory and results, by name.

    Raises:
        LayoutRTError: a contestant fails.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(temporary_folder()))
        results = {name: folder / f"{index}.npy" for index, name in enumerate(specs)}
        contestants = {
            name: stack.enter_context(
                WorkerProcess({"runner": RUNNER, **spec, "threads": threads, "result": str(results[name])})
            )
            for name, spec in specs.items()
        }
        turns = -(-rounds // streak)
        series = take_turns(
            contestants, go_on=lambda turn: turn < turns, lead=lead, streak=streak, warm_up_turns=WARM_UP
        )
        costs = {}
        for name, contestant in contestants.items():
            peak_mb = contestant.end().peak_mb
            median = statistics.median(run.total_ms for run in series[name].runs)
            costs[name] = Cost(median, peak_mb, np.load(results[name]))
        return costs
