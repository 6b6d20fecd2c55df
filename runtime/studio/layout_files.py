"""Layouts for the page to start from: frames of the drive, and PNG files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.files import temporary_folder
from layoutrt.layouts import read_layout, resize_layout
from layoutrt.runtime.synthesizer import Synthesizer

_LAST_FRAME = 1_000_000
_MOST_SHRINKING = 16
"""Largest number of pixels of a file per pixel of the layout: a few kilobytes can unpack to gigabytes."""


def drive_frame(
    synthesizer: Synthesizer, index: int, size: tuple[int, int], seed: int, most_pixels: int
) -> NDArray[np.uint8]:
    """A frame of the drive, uint8 [H,W].

    Raises:
        LayoutRTError: the model has other classes or makes other sizes, or a number is out of range.
    """
    if not 0 <= index <= _LAST_FRAME or not 0 <= seed <= _LAST_FRAME:
        raise LayoutRTError(f"the drive has no frame {index} of seed {seed}; ask for 0 to {_LAST_FRAME}")
    _check_size(synthesizer, size, most_pixels)
    return Drive(synthesizer.label_set, *size, seed=seed).frame(index)


def from_png(
    synthesizer: Synthesizer, data: bytes, size: tuple[int, int], most_pixels: int
) -> NDArray[np.uint8]:
    """The layout in a PNG file, resized to ``size`` by nearest sampling: uint8 [H,W].

    Raises:
        LayoutRTError: the file is not a layout of the model's classes, or the model does not make this size.
    """
    _check_size(synthesizer, size, most_pixels)
    # Width and height stand first in the first chunk (ISO/IEC 15948, section 11.2.2).
    width, height = struct.unpack_from(">II", data, 16) if len(data) >= 24 else (0, 0)
    if data.startswith(b"\x89PNG") and width * height > _MOST_SHRINKING * most_pixels:
        raise LayoutRTError(
            f"the file is {height}x{width}; give a PNG of at most {_MOST_SHRINKING * most_pixels} pixels"
        )
    with temporary_folder() as folder:
        path = Path(folder) / "layout.png"
        path.write_bytes(data)
        try:
            labels = read_layout(path, synthesizer.label_set)
        except LayoutRTError as error:
            raise LayoutRTError(str(error).replace(str(path), "the file")) from None
    return np.ascontiguousarray(resize_layout(labels, size))


def _check_size(synthesizer: Synthesizer, size: tuple[int, int], most_pixels: int) -> None:
    height, width = size
    if min(size) < 1 or height * width > most_pixels:
        raise LayoutRTError(f"a layout of {height}x{width} is not possible; give 1 to {most_pixels} pixels")
    synthesizer.check(np.zeros(size, np.uint8))
