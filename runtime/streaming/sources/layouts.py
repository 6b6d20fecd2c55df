"""Sources that give layouts, for which no segmenter is needed."""

from __future__ import annotations

import time
from pathlib import Path

from layoutrt.drive import Drive
from layoutrt.drive.scene import FRAME_RATE
from layoutrt.inputs import find_layouts
from layoutrt.layouts import LabelSet, label_set, read_layout
from layoutrt.runtime.streaming.sources.source import Captured, Source


class DriveSource(Source):
    """The procedural drive.

    Args:
        size: (height, width) of its frames in pixels.
        seed: another seed is another town.
        length: number of frames; None for no end.
    """

    def __init__(self, size: tuple[int, int], seed: int = 0, length: int | None = None) -> None:
        camvid = label_set("camvid")
        super().__init__("drive:", fps=FRAME_RATE, label_set=camvid)
        self._drive = Drive(camvid, *size, seed=seed)
        self._length = length
        self._next = 0

    def read(self) -> Captured | None:
        """Draw the next frame."""
        if self._stopped.is_set() or self._next == self._length:
            return None
        started = time.monotonic()
        labels = self._drive.frame(self._next)
        self._next += 1
        return Captured.since(started, labels)

    def skip(self) -> bool:
        """Pass over a frame without drawing it."""
        if self._next == self._length:
            return False
        self._next += 1
        return True


class LabelFolder(Source):
    """Layouts in the PNG files of a folder, sorted by name, all of one size.

    Args:
        folder: layouts as in `find_layouts`; of the root of a data set the validation split.
        labels: label set of the files.
    """

    def __init__(self, folder: str | Path, labels: LabelSet) -> None:
        super().__init__(f"labels:{folder}", fps=FRAME_RATE, label_set=labels)
        self._labels = labels
        self.files = find_layouts(folder)
        self._next = 0

    def read(self) -> Captured | None:
        """Read the next file."""
        if self._stopped.is_set() or self._next == len(self.files):
            return None
        path = self.files[self._next]
        self._next += 1
        started = time.monotonic()
        layout = read_layout(path, self._labels)
        self._check_size(layout.shape, f"the layout {path}")
        return Captured.since(started, layout)

    def skip(self) -> bool:
        """Pass over the next file without opening it."""
        self._next += 1
        return self._next <= len(self.files)
