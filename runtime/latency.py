"""Times of the stages of a loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class Latencies:
    """Times of a loop's stages, each measured many times.

    Attributes:
        samples_ms: times of each stage in ms, in the order in which stages were first seen.
    """

    def __init__(self) -> None:
        self.samples_ms: dict[str, list[float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what runs inside, once, under ``name``."""
        started = time.perf_counter()
        yield
        self.samples_ms.setdefault(name, []).append((time.perf_counter() - started) * 1e3)

    def percentile(self, name: str, percent: float) -> float:
        """Percentile of a stage's times in ms."""
        return float(np.percentile(self.samples_ms[name], percent))

    def summary(self) -> dict[str, dict[str, float]]:
        """p50, p95 and maximum in ms, and runs a second at the mean, of each stage."""
        return {
            name: {
                "p50_ms": self.percentile(name, 50),
                "p95_ms": self.percentile(name, 95),
                "max_ms": max(samples),
                "per_second": 1e3 * len(samples) / sum(samples),
            }
            for name, samples in self.samples_ms.items()
        }
