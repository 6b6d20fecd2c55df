"""Images of a data set, read whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts.png import read_png
from layoutrt.train.datasets.jpeg import is_whole_jpeg

# Label maps are drawn on the pixels as stored, so a camera's note of its orientation must not turn them.
_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


def read_image(path: Path) -> NDArray[np.uint8]:
    """RGB image of a JPEG or PNG file, uint8 ``[H, W, 3]``; alpha is dropped, 16 bits are cut to 8.

    Raises:
        LayoutRTError: the file is absent, truncated, or neither JPEG nor PNG.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LayoutRTError(f"cannot read the image {path} ({error.strerror}); check the path") from None
    if data.startswith(b"\x89PNG"):
        return _rgb(read_png(path).pixels)
    if not is_whole_jpeg(data):
        raise LayoutRTError(f"{path} is not a readable image: no whole JPEG or PNG; replace or remove it")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    if image is None:
        raise LayoutRTError(f"{path} is not a readable image: it cannot be decoded; replace or remove it")
    return np.ascontiguousarray(image[:, :, ::-1], np.uint8)


def _rgb(pixels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Convert gray, BGR or BGRA of 8 or 16 bits, as `read_png` gives them."""
    if pixels.dtype == np.uint16:
        pixels = pixels >> 8
    if pixels.ndim == 2:
        pixels = pixels[:, :, None].repeat(3, 2)
    return np.ascontiguousarray(pixels[:, :, 2::-1], np.uint8)
