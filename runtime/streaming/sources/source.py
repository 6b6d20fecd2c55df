"""The one interface of everything that gives frames or layouts."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet


@dataclass(frozen=True, eq=False)
class Captured:
    """Frame or layout that a source returned."""

    pixels: NDArray[np.uint8] = field(repr=False)
    """A frame, uint8 [H,W,3] RGB; or where the source has a label set, class indices, uint8 [H,W]."""
    captured_s: float
    """Time at which a camera had exposed it, or reading or drawing began, by ``time.monotonic``."""
    capture_ms: float
    """Decoding, reading or drawing it."""

    @classmethod
    def since(cls, captured_s: float, pixels: NDArray[np.uint8]) -> Captured:
        """Time that reading or drawing it took, from ``captured_s``."""
        return cls(pixels, captured_s, (time.monotonic() - captured_s) * 1e3)


class Source(ABC):
    """Source of frames, one after the other.

    One thread reads; any thread may stop it.

    Attributes:
        name: name that the user gave, without passwords.
        label_set: label set of the layouts; None if the source gives frames, which a segmenter has to label.
        live: True if frames come at their own pace and old ones are dropped, as from a camera.
        fps: frames a second that the source has, or is meant to be shown at.
        reconnects: number of times that a camera was lost and found again.
        files: files that it reads; none for cameras and for drawn layouts.
    """

    live = False

    def __init__(self, name: str, *, fps: float, label_set: LabelSet | None = None) -> None:
        self.name = name
        self.fps = fps
        self.label_set = label_set
        self.reconnects = 0
        self.files: list[Path] = []
        self._stopped = threading.Event()
        self._size: tuple[int, int] | None = None

    @abstractmethod
    def read(self) -> Captured | None:
        """Wait for the next frame; None at the end, and after ``stop``.

        Raises:
            LayoutRTError: it cannot be read, or has another size than the frames before.
        """

    def skip(self) -> bool:
        """Pass over the next frame, whether there was one."""
        return self.read() is not None

    def stop(self) -> None:
        """End the source: ``read`` returns None from now on. Does not wait, and may be called by a signal."""
        self._stopped.set()

    def close(self) -> None:
        """End the source and free what it holds. Allowed more than once."""
        self.stop()

    def _check_size(self, shape: Sequence[int], which: str) -> None:
        """Raise LayoutRTError if the frames before had another size; ``which`` begins the sentence."""
        height, width = shape[:2]
        if self._size is None:
            self._size = (height, width)
        elif self._size != (height, width):
            before = f"{self._size[0]}x{self._size[1]}"
            raise LayoutRTError(
                f"{which} is {height}x{width}, but the frames before were {before}; "
                "convert the source to frames of one size"
            )
