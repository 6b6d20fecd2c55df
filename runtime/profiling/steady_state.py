"""When a model has warmed up.

The first runs grow arenas, fill caches and raise clocks. They end when the medians of two consecutive windows
of 10 runs differ by less than 5 %, but no sooner than 20 runs, and no later than 200 runs or 5 s.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

WINDOW = 10
TOLERANCE = 0.05
MOST_RUNS = 200
MOST_SECONDS = 5.0


def is_steady(times_ms: Sequence[float]) -> bool:
    """Whether the last two windows agree."""
    if len(times_ms) < 2 * WINDOW:
        return False
    before = statistics.median(times_ms[-2 * WINDOW : -WINDOW])
    after = statistics.median(times_ms[-WINDOW:])
    return abs(after - before) <= TOLERANCE * before
