"""Two or more ways to compute the same, each in a process of its own, timed in
alternating rounds as in ``layoutrt profile``."""

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
from layoutrt.runtime.profiling.rounds import run_rounds
from layoutrt.runtime.profiling.worker_process import WorkerProcess

RUNNER = "benchmarks.worker:KindRunner"

WARM_UP = 2
"""Rounds of each candidate that are not counted."""


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
    warm_up_runs: int = 1,
    iterations_per_round: int = 1,
) -> dict[str, Cost]:
    """Time every candidate ``rounds`` times, in alternating rounds.

    Args:
        specs: work of each candidate, by its name; see `benchmarks.worker`.
        threads: number of threads of each candidate.
        rounds: least number of counted runs of each candidate.
        warm_up_runs: runs that are not counted at the start of each round, after which caches and
            threads are as in a stream of frames.
        iterations_per_round: runs of a round that are counted.

    Returns:
        Times, memory and results, by name.

    Raises:
        LayoutRTError: a candidate fails.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(temporary_folder()))
        results = {name: folder / f"{index}.npy" for index, name in enumerate(specs)}
        candidates = {
            name: stack.enter_context(
                WorkerProcess({"runner": RUNNER, **spec, "threads": threads, "result": str(results[name])})
            )
            for name, spec in specs.items()
        }
        count = -(-rounds // iterations_per_round)
        series = run_rounds(
            candidates,
            go_on=lambda number: number < count,
            warm_up_runs=warm_up_runs,
            iterations_per_round=iterations_per_round,
            warm_up_rounds=WARM_UP,
        )
        costs = {}
        for name, candidate in candidates.items():
            peak_mb = candidate.end().peak_mb
            median = statistics.median(run.total_ms for run in series[name].runs)
            costs[name] = Cost(median, peak_mb, np.load(results[name]))
        return costs
