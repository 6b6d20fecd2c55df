"""A source of stored or drawn frames, shown as fast as it was meant to be."""

from __future__ import annotations

import time

from layoutrt.runtime.streaming.sources.source import Captured, Source

_PATIENCE_S = 0.05


class Paced(Source):
    """Frames of ``source`` when they are due. Those that are late are passed over, as a camera would.

    Args:
        source: gives frames at any pace.
        fps: frames a second; the source's own by default.
    """

    live = True

    def __init__(self, source: Source, fps: float | None = None) -> None:
        super().__init__(source.name, fps=fps or source.fps, label_set=source.label_set)
        self._source = source
        self._started: float | None = None
        self._next = 0

    def read(self) -> Captured | None:
        """Wait until the next frame is due, and give the one that is due then."""
        now = time.monotonic()
        if self._started is None:
            self._started = now
        due = int((now - self._started) * self.fps)
        while self._next < due:
            if not self._source.skip():
                return None
            self._next += 1
        while (wait_s := self._started + self._next / self.fps - time.monotonic()) > 0:
            if self._stopped.wait(min(wait_s, _PATIENCE_S)):
                return None
        self._next += 1
        return self._source.read()

    def stop(self) -> None:
        """End both."""
        super().stop()
        self._source.stop()

    def close(self) -> None:
        """End both and free what the source holds."""
        self.stop()
        self._source.close()
