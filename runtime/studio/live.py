"""The demo as a stream: a show that runs while somebody watches, and the newest picture for each who does."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import threading
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, colorize
from layoutrt.runtime.streaming.layout_feed import LayoutFrame
from layoutrt.runtime.streaming.playback import Sink
from layoutrt.runtime.streaming.stage_times import LATENCY, STAGES, StageTimes
from layoutrt.runtime.studio.logs import log
from layoutrt.runtime.studio.metrics import Metrics

_JPEG_QUALITY = 88


class LiveHub:
    """Newest picture for any number of watchers. Any thread publishes; watchers are coroutines.

    Attributes:
        watchers: number of those who watch.
    """

    def __init__(self) -> None:
        self.watchers = 0
        self._newest: bytes | str | None = None
        self._version = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._published: asyncio.Event | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Begin, on the event loop of the watchers."""
        self._loop = asyncio.get_running_loop()
        self._published = asyncio.Event()

    def publish(self, message: bytes | str) -> None:
        """Replace the newest picture."""
        with self._lock:
            self._newest = message
            self._version += 1
        loop, event = self._loop, self._published
        if loop is not None and event is not None and not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    async def next(self, seen: int) -> tuple[bytes | str, int]:
        """Wait for a picture that is newer than number ``seen``, 0 for any: the newest, and its number."""
        assert self._published is not None
        while True:
            with self._lock:
                if self._newest is not None and self._version > seen:
                    return self._newest, self._version
            self._published.clear()
            await self._published.wait()

    def forget(self) -> None:
        """Show newcomers nothing old."""
        with self._lock:
            self._newest = None


class HubSink(Sink):
    """Sink that sends a demo's pictures to the watching browsers.

    A message is a number of bytes u32 (little-endian), so much JSON, and the pictures one after the other,
    whose names and lengths are in it: the frame and the image as JPEG, the layout as PNG.
    """

    def __init__(
        self, hub: LiveHub, label_set: LabelSet, metrics: Metrics, ended: threading.Event | None = None
    ) -> None:
        self._hub = hub
        self._ended = ended
        self._label_set = label_set
        self._metrics = metrics

    def show(self, layout_frame: LayoutFrame, image: NDArray[np.uint8], times: StageTimes) -> bool:
        """Encode and publish, where somebody watches; False once the show has ended."""
        if self._ended is not None and self._ended.is_set():
            return False
        self._metrics.frame("live")
        if not self._hub.watchers:
            return True
        parts = {
            "layout": _encode(".png", colorize(layout_frame.labels, self._label_set)),
            "image": _encode(".jpg", image),
        }
        if layout_frame.frame is not None:
            parts = {"frame": _encode(".jpg", layout_frame.frame)} | parts
        head = json.dumps(
            {
                "parts": [[name, len(data)] for name, data in parts.items()],
                "frames_per_second": round(times.frames_per_second, 1),
                "stages": {
                    name: recent for name in (*STAGES, LATENCY) if (recent := times.recent(name)) is not None
                },
            }
        ).encode()
        self._hub.publish(struct.pack("<I", len(head)) + head + b"".join(parts.values()))
        return True


class LiveShow:
    """Demo that runs on a thread while there are watchers.

    Args:
        hub: whose watchers they are.
        run: shows the demo until its argument is set; raises LayoutRTError.
        metrics: counts failures.
    """

    def __init__(self, hub: LiveHub, run: Callable[[threading.Event], None], metrics: Metrics) -> None:
        self._hub = hub
        self._run = run
        self._metrics = metrics
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def watch(self) -> None:
        """One more watches."""
        self._hub.watchers += 1
        if self._thread is None or not self._thread.is_alive() or self._ended.is_set():
            # The one before publishes nothing any more, as it has ended.
            self._hub.forget()
            self._ended = threading.Event()
            before = self._thread
            self._thread = threading.Thread(
                target=self._show, args=(self._ended, before), name="layoutrt live", daemon=True
            )
            self._thread.start()

    def leave(self) -> None:
        """One fewer watches."""
        self._hub.watchers -= 1
        if self._hub.watchers == 0:
            self._ended.set()

    def close(self) -> None:
        """End the show."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _show(self, ended: threading.Event, before: threading.Thread | None) -> None:
        # Two shows at once would open a camera twice.
        if before is not None:
            before.join()
        log("live show started")
        try:
            self._run(ended)
            if not ended.is_set():
                self._hub.publish(
                    json.dumps({"ended": "the source has ended; open this tab again to start over"})
                )
        except LayoutRTError as error:
            self._metrics.error("live")
            log("live show failed", logging.WARNING, error=str(error))
            self._hub.publish(json.dumps({"error": str(error)}))
        except Exception as error:
            self._metrics.error("live")
            log("live show failed", logging.ERROR, error=repr(error))
            self._hub.publish(json.dumps({"error": "the show has failed; the studio's log says why"}))
        finally:
            # Whoever comes next starts it anew.
            ended.set()
            log("live show ended")


def _encode(suffix: str, rgb: NDArray[np.uint8]) -> bytes:
    options = (
        [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    return cv2.imencode(suffix, rgb[..., ::-1], options)[1].tobytes()
