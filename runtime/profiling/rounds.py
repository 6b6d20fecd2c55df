"""Alternating rounds of several candidates, so that slow phases of the machine affect all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from layoutrt.runtime.profiling.runner import Run
from layoutrt.runtime.profiling.worker_process import WorkerProcess

SETTLE_S = 0.02
"""Pause before each candidate's round: the threads of the last one spin for a while before they sleep."""


@dataclass
class Series:
    """The counted runs of one candidate."""

    runs: list[Run] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    """Number of the round of each run, from 0."""
    elapsed_ms: float = 0.0
    """Time of all rounds, without the pauses between them."""
    rss_mb: list[float] = field(default_factory=list)
    """Memory of the process after each round."""
    joules: float | None = None
    """Energy that the device used during the rounds; None without a counter."""


def run_rounds(
    candidates: Mapping[str, WorkerProcess],
    *,
    go_on: Callable[[int], bool],
    warm_up_runs: int,
    iterations_per_round: int,
    iterations_by_name: Mapping[str, int] | None = None,
    warm_up_rounds: int = 0,
    joules: Callable[[], float] | None = None,
) -> dict[str, Series]:
    """Run all candidates in each round, in the reversed order of the round before: A B, B A, A B.

    Args:
        candidates: worker processes by name.
        go_on: called with the number of the next round, from 0; returns False to stop before it.
        warm_up_runs: uncounted runs at the start of each round; caches and threads are then as in a stream
            of frames.
        iterations_per_round: counted runs per round.
        iterations_by_name: other numbers of counted runs, for some candidates.
        warm_up_rounds: uncounted rounds before the others.
        joules: energy counter, read before and after each candidate's round.
    """
    series = {name: Series() for name in candidates}
    order = list(candidates)
    number = -warm_up_rounds
    while number < 0 or go_on(number):
        for name in order:
            if len(candidates) > 1:
                time.sleep(SETTLE_S)
            before = joules() if joules else 0.0
            count = (iterations_by_name or {}).get(name, iterations_per_round)
            done = candidates[name].run_round(warm_up_runs, count)
            used = joules() - before if joules else None
            if number < 0:
                continue
            own = series[name]
            own.runs += done.runs
            own.rounds += [number] * len(done.runs)
            own.elapsed_ms += done.elapsed_ms
            own.rss_mb.append(done.rss_mb)
            if used is not None:
                # The uncounted runs at the start use energy too.
                own.joules = (own.joules or 0.0) + used * count / (count + warm_up_runs)
        order.reverse()
        number += 1
    return series
