"""How long the stages of a loop take, and how that reads as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from rich import box
from rich.table import Table


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

    def table(self, title: str, total: str | None = None) -> Table:
        """The summary as a table; the stage called ``total`` stands below a line."""
        table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
        table.add_column("stage")
        for column in ("p50 ms", "p95 ms", "max ms", "frames/s"):
            table.add_column(column, justify="right")
        for name, row in self.summary().items():
            if name == total:
                table.add_section()
            values = (row["p50_ms"], row["p95_ms"], row["max_ms"])
            table.add_row(name, *(f"{value:.2f}" for value in values), f"{row['per_second']:.1f}")
        return table
