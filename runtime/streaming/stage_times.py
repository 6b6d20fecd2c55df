"""Latencies of a loop without end: of its last frames only."""

from __future__ import annotations

import time
from collections import deque

from rich.table import Table

from layoutrt.report.console_table import console_table
from layoutrt.runtime.latency import Latencies

STAGES = ("capture", "segment", "synthesize", "present")
"""Stages of a frame, in order."""
LATENCY = "whole frame"
"""Time from the capture until the frame was presented."""
_WINDOW = 10_000
_RATE_WINDOW = 60


class StageTimes(Latencies):
    """Latencies that keep the last 10,000 to 20,000 samples of each stage, and the frames a second."""

    def __init__(self) -> None:
        super().__init__()
        self._shown_s: deque[float] = deque(maxlen=_RATE_WINDOW)

    def add(self, name: str, milliseconds: float) -> None:
        """Count a time of a stage."""
        samples = self.samples_ms.setdefault(name, [])
        samples.append(milliseconds)
        if len(samples) >= 2 * _WINDOW:
            del samples[:-_WINDOW]

    def count_frame(self) -> None:
        """A frame was presented now."""
        self._shown_s.append(time.monotonic())

    @property
    def frames_per_second(self) -> float:
        """Rate of the last 60 frames; 0 before the second frame."""
        if len(self._shown_s) < 2:
            return 0.0
        return (len(self._shown_s) - 1) / max(1e-9, self._shown_s[-1] - self._shown_s[0])

    def recent(self, name: str) -> tuple[float, float] | None:
        """p50 and p95 in ms of the last 60 samples of a stage; None if there is none."""
        samples = sorted(self.samples_ms.get(name, ())[-_RATE_WINDOW:])
        if not samples:
            return None
        return samples[len(samples) // 2], samples[min(len(samples) - 1, round(0.95 * len(samples)))]

    def stage_table(self, title: str) -> Table:
        """The stages, and below a line the whole frame: a latency, not a rate, as stages overlap."""
        table = console_table(title, ["stage"], ["p50 ms", "p95 ms", "max ms"])
        for name, row in self.summary().items():
            if name == LATENCY:
                table.add_section()
            table.add_row(name, *(f"{row[key]:.2f}" for key in ("p50_ms", "p95_ms", "max_ms")))
        return table
