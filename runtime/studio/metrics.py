"""Metrics of the studio in Prometheus's text format 0.0.4."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable

BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram in seconds."""


class Metrics:
    """Counters, a latency histogram, and gauges that are asked for when they are read. Any thread may count.

    Attributes:
        gauges: name and help of each gauge, and what gives its value.
    """

    def __init__(self) -> None:
        started = time.monotonic()
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "uptime_seconds": ("Since the studio started.", lambda: time.monotonic() - started),
            "resident_memory_bytes": ("Memory of the process.", resident_bytes),
        }
        self._lock = threading.Lock()
        self._frames: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._superseded = 0
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0

    def frame(self, kind: str, latency_s: float | None = None) -> None:
        """An image was made: of a ``stroke``, a ``style``, a ``clip`` or the ``live`` show."""
        with self._lock:
            self._frames[kind] += 1
            if latency_s is not None:
                self._buckets[sum(latency_s > bound for bound in BUCKETS_S)] += 1
                self._sum_s += latency_s

    def error(self, kind: str) -> None:
        """Something failed: a ``message``, a ``render``, a ``client`` or the ``live`` show."""
        with self._lock:
            self._errors[kind] += 1

    def superseded(self) -> None:
        """A stroke was never rendered, because a newer one came."""
        with self._lock:
            self._superseded += 1

    def text(self) -> str:
        """Everything, as ``/metrics`` answers."""
        with self._lock:
            lines = _metric("frames_total", "counter", "Images made.")
            lines += [
                f'layoutrt_frames_total{{kind="{kind}"}} {n}' for kind, n in sorted(self._frames.items())
            ]
            lines += _metric("errors_total", "counter", "Failures.")
            lines += [
                f'layoutrt_errors_total{{kind="{kind}"}} {n}' for kind, n in sorted(self._errors.items())
            ]
            lines += _metric("superseded_total", "counter", "Strokes that a newer one replaced in the queue.")
            lines += [f"layoutrt_superseded_total {self._superseded}"]
            lines += _metric("latency_seconds", "histogram", "From a stroke's arrival to its image.")
            count = 0
            for bound, number in zip((*BUCKETS_S, "+Inf"), self._buckets, strict=True):
                count += number
                lines.append(f'layoutrt_latency_seconds_bucket{{le="{bound}"}} {count}')
            lines += [
                f"layoutrt_latency_seconds_sum {self._sum_s:.6f}",
                f"layoutrt_latency_seconds_count {count}",
            ]
        for name, (text, value) in self.gauges.items():
            lines += [*_metric(name, "gauge", text), f"layoutrt_{name} {value():g}"]
        return "\n".join(lines) + "\n"


def resident_bytes() -> float:
    """Memory of this process that is in use; 0 if the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))
    except OSError:
        return 0.0


def _metric(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP layoutrt_{name} {text}", f"# TYPE layoutrt_{name} {kind}"]
