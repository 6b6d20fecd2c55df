"""Photographs, read whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.inputs.jpeg import is_whole_jpeg
from layoutrt.layouts.png import read_png


def read_image(path: Path) -> NDArray[np.uint8]:
    """RGB image of a file, uint8 ``[H,W,3]``; alpha is dropped, 16 bits are cut to 8.

    Args:
        path: of any of `IMAGE_SUFFIXES`.

    Raises:
        LayoutRTError: the file is absent, truncated, or not an image.
    """
    import cv2  # takes as long as all else that naming inputs needs

    try:
        data = path.read_bytes()
    except OSError as error:
        raise LayoutRTError(f"cannot read the image {path} ({error.strerror}); check the path") from None
    if data.startswith(b"\x89PNG"):
        return _rgb(read_png(path).pixels)
    if path.suffix.lower() in (".jpg", ".jpeg") and not is_whole_jpeg(data):
        raise LayoutRTError(f"{path} is not a readable image: no whole JPEG or PNG; replace or remove it")
    # Label maps are drawn on the pixels as stored, so a camera's note of its orientation must not turn them.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        # More pixels than OpenCV decodes.
        image = None
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
