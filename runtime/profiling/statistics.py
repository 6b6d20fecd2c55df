"""Summary statistics of a series of latencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """Summary of a series of times, in ms."""

    count: int
    min_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    mean_ms: float
    jitter_ms: float
    """Mean absolute difference of a run from the run before it (the interarrival jitter of RFC 3550,
    section 6.4.1, without its smoothing)."""

    def as_json(self) -> dict[str, float]:
        """The summary as plain values for JSON."""
        return asdict(self)


def summarize(times_ms: Sequence[float]) -> Summary:
    """Summarize a series. Percentiles are interpolated between the two nearest ranks, numpy's default.

    Args:
        times_ms: at least one time, in the order of the runs.
    """
    times = np.asarray(times_ms, np.float64)
    p50, p90, p95, p99 = np.percentile(times, [50, 90, 95, 99])
    jitter = np.abs(np.diff(times)).mean() if times.size > 1 else 0.0
    values = (times.min(), p50, p90, p95, p99, times.max(), times.mean(), jitter)
    return Summary(times.size, *(float(value) for value in values))
