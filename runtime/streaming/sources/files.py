"""Videos and folders of images."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.files import utf8_name
from layoutrt.inputs import JUDGING, find_frames, read_image
from layoutrt.runtime.streaming.sources.opencv import Capture, open_capture
from layoutrt.runtime.streaming.sources.source import Captured, Source

_FOLDER_FPS = 25.0


class VideoFile(Source):
    """The frames of a video, to its end.

    Args:
        path: the file.
        capture: reader to use instead of OpenCV's.

    Raises:
        LayoutRTError: the file is not a video, or has a codec that OpenCV cannot decode.
    """

    def __init__(self, path: Path, capture: Capture | None = None) -> None:
        opened = capture or open_capture(utf8_name(path), cv2.CAP_FFMPEG)
        # OpenCV opens some files whose codec it lacks, and then finds no frame in them.
        if opened is None or not opened.grab():
            raise LayoutRTError(
                f"the video {path} cannot be decoded: it is damaged, or its codec is not in OpenCV "
                f"{cv2.__version__}; convert it with: ffmpeg -i {path.name} -c:v mpeg4 -q:v 3 converted.mp4"
            )
        self._capture: Capture = opened
        self._path = path
        self._grabbed = True
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        super().__init__(str(path), fps=fps if 1 <= fps <= 240 else _FOLDER_FPS)
        self.files = [path]

    def read(self) -> Captured | None:
        """Decode the next frame."""
        if self._stopped.is_set():
            return None
        started = time.monotonic()
        grabbed, self._grabbed = self._grabbed or self._capture.grab(), False
        found, bgr = self._capture.retrieve() if grabbed else (False, None)
        if not found or bgr is None:
            return None
        self._check_size(bgr.shape[:2], f"a frame of the video {self._path}")
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        return Captured.since(started, rgb)

    def skip(self) -> bool:
        """Pass over a frame without turning it into pixels."""
        grabbed, self._grabbed = self._grabbed, False
        return grabbed or self._capture.grab()

    def close(self) -> None:
        """Close the file."""
        self.stop()
        self._capture.release()


class ImageFolder(Source):
    """The images of a folder, sorted by name, all of one size.

    Args:
        folder: as of `find_frames`; of the root of a data set the validation split.

    Raises:
        LayoutRTError: the folder has no images.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), fps=_FOLDER_FPS)
        self.files = [file.image for file in find_frames(folder, JUDGING)]
        self._next = 0

    def read(self) -> Captured | None:
        """Read the next image."""
        if self._stopped.is_set() or self._next == len(self.files):
            return None
        path = self.files[self._next]
        self._next += 1
        started = time.monotonic()
        rgb = read_image(path)
        self._check_size(rgb.shape[:2], f"the image {path}")
        return Captured.since(started, rgb)

    def skip(self) -> bool:
        """Pass over the next image without opening it."""
        self._next += 1
        return self._next <= len(self.files)
