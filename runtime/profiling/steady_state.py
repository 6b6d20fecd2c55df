"""Steady-state rule: the end of a model's warm-up.

The first runs grow memory arenas, fill caches and raise clocks. The warm-up ends when the medians of two
consecutive windows of 10 runs differ by less than 5 %: after 20 runs at the earliest, and after 200 runs or
5 s at the latest.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

WINDOW = 10
TOLERANCE = 0.05
MOST_RUNS = 200
MOST_SECONDS = 5.0


def is_steady(times_ms: Sequence[float]) -> bool:
    """True if the medians of the last two windows agree."""
    if len(times_ms) < 2 * WINDOW:
        return False
    before = statistics.median(times_ms[-2 * WINDOW : -WINDOW])
    after = statistics.median(times_ms[-WINDOW:])
    return abs(after - before) <= TOLERANCE * before
