"""Eight painting clients: no error, fair latency, flat memory; ``LAYOUTRT_SOAK_SECONDS=60`` takes longer."""

from __future__ import annotations

import http.client
import os
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import label_set

pytest.importorskip("fastapi", reason="the extra 'studio' is not installed")
client = pytest.importorskip("websockets.sync.client", reason="the extra 'studio' is not installed")

CLIENTS = 8
SIZE = (192, 256)


class Painter(threading.Thread):
    """Paints as a browser does: the next layout is sent when the image of the last is there."""

    def __init__(self, port: int, seed: int, until: float) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._drive = Drive(label_set("camvid"), *SIZE, seed=seed)
        self._until = until
        self.latencies_ms: list[float] = []
        self.error: str | None = None

    def run(self) -> None:
        layouts = [self._drive.frame(40 * index).tobytes() for index in range(8)]
        try:
            with client.connect(f"ws://127.0.0.1:{self._port}/ws/paint", max_size=None) as socket:
                number = 0
                while time.monotonic() < self._until:
                    number += 1
                    head = struct.pack("<4sIIHHB3x", b"LRTp", number, 0, *SIZE, 0)
                    started = time.monotonic()
                    socket.send(head + layouts[number % 8])
                    answer = socket.recv(timeout=30)
                    self.latencies_ms.append((time.monotonic() - started) * 1e3)
                    if isinstance(answer, str) or struct.unpack_from("<4sI", answer) != (b"LRTi", number):
                        self.error = f"image {number} was answered by {answer[:80]!r}"
                        return
        except Exception as error:
            self.error = repr(error)


def memory(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("layoutrt_resident"))


def test_eight_clients_are_served_alike_and_memory_stays_flat(run_studio: Callable[..., Any]) -> None:
    seconds = float(os.environ.get("LAYOUTRT_SOAK_SECONDS", "5"))
    with run_studio("--port", 0) as studio:
        until = time.monotonic() + seconds
        painters = [Painter(studio.port, seed, until) for seed in range(CLIENTS)]
        for painter in painters:
            painter.start()
        time.sleep(0.3 * seconds)
        early = memory(studio.port)
        for painter in painters:
            painter.join(timeout=seconds + 60)
        late = memory(studio.port)
        log = studio.log()
    assert [painter.error for painter in painters] == [None] * CLIENTS
    counts = [len(painter.latencies_ms) for painter in painters]
    medians = [float(np.median(painter.latencies_ms)) for painter in painters]
    worst = [float(np.percentile(painter.latencies_ms, 95)) for painter in painters]
    print(
        f"{sum(counts) / seconds:.0f} images/s; p50 {min(medians):.0f} to {max(medians):.0f} ms, "
        f"p95 {min(worst):.0f} to {max(worst):.0f} ms; memory {(late - early) / 1e6:+.1f} MB"
    )
    assert min(counts) >= 3
    assert max(counts) <= 1.25 * min(counts) + 2
    # Of a few images on a busy machine the median says little.
    if min(counts) >= 50:
        assert max(medians) <= 1.25 * min(medians) + 5
    assert late - early < 8e6
    assert '"level": "error"' not in log
