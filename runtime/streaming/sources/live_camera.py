"""A camera or network stream: the newest frame, found again after it was lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import cv2
import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.streaming.sources.opencv import Capture
from layoutrt.runtime.streaming.sources.source import Captured, Source

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 0.05
"""Seconds between two checks whether the source was stopped."""
_USUAL_FPS = 30.0


class LiveCamera(Source):
    """Frames of a camera, read on a thread of its own; only the newest waits to be taken.

    Where no frame comes any more the camera is closed and opened again, first after ``first_wait_s``, then
    after twice as long each time, up to ``longest_wait_s``, until it is back or the source is stopped.

    Args:
        name: name of the source, for messages.
        connect: opens the camera; raises LayoutRTError where it is not there.
        first_wait_s: before the first try to open it again.
        longest_wait_s: between two tries.

    Attributes:
        connected: True if the camera gave its last frame when it was asked.

    Raises:
        LayoutRTError: what ``connect`` raised the first time.
    """

    live = True

    def __init__(
        self,
        name: str,
        connect: Callable[[], Capture],
        *,
        first_wait_s: float = 0.5,
        longest_wait_s: float = 10.0,
    ) -> None:
        self._connect = connect
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._capture: Capture | None = connect()
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(name, fps=fps if 1 <= fps <= 240 else _USUAL_FPS)
        self.connected = True
        self._newest: Captured | None = None
        self._error: LayoutRTError | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name=f"layoutrt {name}", daemon=True)
        self._thread.start()

    def read(self) -> Captured | None:
        """Wait for a frame that was not given yet, and take the newest."""
        while not self._stopped.is_set():
            with self._changed:
                if self._newest is None and self._error is None:
                    self._changed.wait(_PATIENCE_S)
                newest, self._newest = self._newest, None
                error = self._error
            if newest is not None:
                self._check_size(newest.pixels.shape, f"a frame of {self.name}")
                return newest
            if error is not None:
                raise error
        return None

    def close(self) -> None:
        """End the thread and close the camera."""
        self.stop()
        self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        try:
            while not self._stopped.is_set():
                if self._capture is None:
                    self._capture = self._found_again()
                elif not self._grab(self._capture):
                    self._capture.release()
                    self._capture, self.connected = None, False
        except Exception as error:
            with self._changed:
                self._error = LayoutRTError(f"{self.name} failed ({error}); start it again")
                self._changed.notify()
        finally:
            if self._capture is not None:
                self._capture.release()

    def _grab(self, capture: Capture) -> bool:
        """Wait for a frame and put it in the place of the one before; False if none came."""
        if not capture.grab():
            return False
        captured_s = time.monotonic()
        found, bgr = capture.retrieve()
        if not found or bgr is None:
            return False
        captured = Captured.since(captured_s, np.ascontiguousarray(bgr[..., ::-1]))
        with self._changed:
            self._newest = captured
            self._changed.notify()
        return True

    def _found_again(self) -> Capture | None:
        """Try to open the camera until it is there; None if the source was stopped before."""
        wait_s = self._first_wait_s
        _LOG.warning("%s gives no frames; opening it again in %g s", self.name, wait_s)
        while not self._stopped.wait(wait_s):
            try:
                capture = self._connect()
            except LayoutRTError as error:
                wait_s = min(2 * wait_s, self._longest_wait_s)
                _LOG.info("%s; again in %g s", error, wait_s)
                continue
            self.reconnects += 1
            self.connected = True
            _LOG.warning("%s is back", self.name)
            return capture
        return None
