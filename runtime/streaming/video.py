"""Video files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing, utf8_name

# MPEG-4 part 2: of the codecs in every OpenCV wheel the one that keeps up with rendering. VP9 takes twenty
# times as long, and H.264 encoders are left out of the wheels.
_CODEC = cv2.VideoWriter.fourcc(*"mp4v")


class VideoWriter:
    """Writer of one video file."""

    def __init__(self, writer: cv2.VideoWriter, size: tuple[int, int]) -> None:
        self._writer = writer
        self._size = size

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Append a frame, uint8 [H,W,3] RGB of the size that was asked for."""
        if frame.shape != (*self._size, 3):
            # OpenCV would drop it without a word.
            raise ValueError(f"a video of {self._size} cannot hold a frame of {frame.shape}")
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))


@contextmanager
def video_writer(path: Path, size: tuple[int, int], fps: float) -> Iterator[VideoWriter]:
    """Write an MP4 file, which appears when the block succeeds.

    Args:
        path: ends in ``.mp4``.
        size: (height, width) of the frames, both even.
        fps: frames a second when played, from 0.01 to 240.

    Raises:
        LayoutRTError: it cannot be written.
    """
    utf8_name(path)
    with replacing(path) as temporary:
        # MPEG-4 counts time in parts of 1/65535 s at the finest, and OpenCV in the powers of ten that a rate
        # needs.
        rate = round(fps, 3 if fps < 65 else 2)
        writer = cv2.VideoWriter(str(temporary), _CODEC, rate, size[::-1])
        try:
            if not writer.isOpened():
                raise LayoutRTError(
                    f"OpenCV {cv2.__version__} cannot write the video {path}; "
                    "reinstall it with: pip install --force-reinstall opencv-python"
                )
            yield VideoWriter(writer, size)
        finally:
            writer.release()
