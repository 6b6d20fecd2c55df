"""Metrics of the studio, as Prometheus reads them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the latency histogram in seconds."""

# In the text format the time of creation would be one more gauge beside every counter.
disable_created_metrics()


class Metrics:
    """Counters, a latency histogram, and gauges that are asked for when they are read. Any thread may count.

    They have a registry of their own: two studios of one process do not mix, and the names are all ours,
    without the library's default collectors of the process, its garbage collection and its platform.
    """

    def __init__(self) -> None:
        started = time.monotonic()
        self._registry = CollectorRegistry()
        self._frames = Counter("layoutrt_frames", "Images made.", ["kind"], registry=self._registry)
        self._errors = Counter("layoutrt_errors", "Failures.", ["kind"], registry=self._registry)
        self._superseded = Counter(
            "layoutrt_superseded", "Strokes that a newer one replaced in the queue.", registry=self._registry
        )
        self._latency = Histogram(
            "layoutrt_latency_seconds",
            "From a stroke's arrival to its image.",
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._gauges: dict[str, Gauge] = {}
        self.gauge("uptime_seconds", "Since the studio started.", lambda: time.monotonic() - started)
        self.gauge("resident_memory_bytes", "Memory of the process.", resident_bytes)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a gauge, or give one that exists another source.

        Args:
            name: without ``layoutrt_``.
            text: its help.
            value: asked on each reading.
        """
        if name not in self._gauges:
            self._gauges[name] = Gauge(f"layoutrt_{name}", text, registry=self._registry)
        self._gauges[name].set_function(value)

    def frame(self, kind: str, latency_s: float | None = None) -> None:
        """An image was made: of a ``stroke``, a ``style``, a ``clip`` or the ``live`` show."""
        self._frames.labels(kind).inc()
        if latency_s is not None:
            self._latency.observe(latency_s)

    def error(self, kind: str) -> None:
        """Something failed: a ``message``, a ``render``, a ``client`` or the ``live`` show."""
        self._errors.labels(kind).inc()

    def superseded(self) -> None:
        """A stroke was never rendered, because a newer one came."""
        self._superseded.inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Everything, as ``/metrics`` answers.

        Args:
            accept: the request's ``Accept``, by which the library chooses between Prometheus' text format and
                OpenMetrics.

        Returns:
            The answer and its content type.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


def resident_bytes() -> float:
    """Memory of this process that is in use; 0 if the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * float(os.sysconf("SC_PAGE_SIZE"))
    except OSError:
        return 0.0
