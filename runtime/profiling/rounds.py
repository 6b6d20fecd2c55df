"""Contestants take turns, so that a slow spell of the machine meets all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from layoutrt.runtime.profiling.runner import Run
from layoutrt.runtime.profiling.worker_process import WorkerProcess

SETTLE_S = 0.02
"""Before each turn: the threads of the last contestant spin for a while before they sleep."""


@dataclass
class Series:
    """The counted runs of one contestant."""

    runs: list[Run] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    """The number of the turn of each run, from 0."""
    elapsed_ms: float = 0.0
    """Of all turns, without what was between them."""
    rss_mb: list[float] = field(default_factory=list)
    """Memory of the process after each turn."""
    joules: float | None = None
    """Energy that the device used during the turns; None where it cannot say."""


def take_turns(
    contestants: Mapping[str, WorkerProcess],
    *,
    go_on: Callable[[int], bool],
    lead: int,
    streak: int,
    streaks: Mapping[str, int] | None = None,
    warm_up_turns: int = 0,
    joules: Callable[[], float] | None = None,
) -> dict[str, Series]:
    """Run all in turns. The order of a turn is that of the turn before, reversed: A B, B A, A B.

    Args:
        contestants: by name.
        go_on: whether turn number n, from 0, takes place.
        lead: runs that are not counted at the start of each turn, after which caches and threads are as in a
            stream of frames.
        streak: counted runs of a turn.
        streaks: of some contestants, another number.
        warm_up_turns: that are not counted, before the others.
        joules: a counter of energy, read around each turn.
    """
    series = {name: Series() for name in contestants}
    order = list(contestants)
    turn = -warm_up_turns
    while turn < 0 or go_on(turn):
        for name in order:
            if len(contestants) > 1:
                time.sleep(SETTLE_S)
            before = joules() if joules else 0.0
            count = (streaks or {}).get(name, streak)
            done = contestants[name].turn(lead, count)
            used = joules() - before if joules else None
            if turn < 0:
                continue
            own = series[name]
            own.runs += done.runs
            own.turns += [turn] * len(done.runs)
            own.elapsed_ms += done.elapsed_ms
            own.rss_mb.append(done.rss_mb)
            if used is not None:
                # The uncounted runs at the start use energy too.
                own.joules = (own.joules or 0.0) + used * count / (count + lead)
        order.reverse()
        turn += 1
    return series
