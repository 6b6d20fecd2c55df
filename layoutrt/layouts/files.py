"""Layouts as PNG files: a single channel of class bytes, or the palette's colors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing
from layoutrt.layouts.arrays import check_layout, colorize, decolorize, find_colors
from layoutrt.layouts.label_set import LabelSet
from layoutrt.layouts.png import read_png


def read_layout(path: str | Path, label_set: LabelSet) -> NDArray[np.uint8]:
    """Read a layout from a PNG file, uint8 [H,W] class indices.

    A single-channel file holds the data set's bytes (``LabelSet.from_file_values``). A color or paletted file
    is looked up in the label set's palette; alpha is ignored. A color file that is gray everywhere, and has a
    gray that is not in the palette, is taken for bytes that were saved with three channels: colors win where
    both readings are possible.

    Raises:
        LayoutRTError: the file is absent, truncated, not an 8-bit PNG, or not of this label set.
    """
    path = Path(path)
    image = _decode(path)
    if image.ndim == 2:
        return label_set.from_file_values(image, str(path))
    rgb = np.ascontiguousarray(image[..., 2::-1])  # OpenCV decodes to BGR or BGRA
    red = rgb[..., 0]
    if (red[..., None] == rgb).all():
        labels, known = find_colors(rgb, label_set)
        return labels if known.all() else label_set.from_file_values(red, str(path))
    return decolorize(rgb, label_set, str(path))


def write_layout(
    path: str | Path, labels: NDArray[np.uint8], label_set: LabelSet, color: bool = True
) -> None:
    """Write a layout to a PNG file, in the palette's colors or as the data set's bytes (``color=False``).

    The file appears whole or not at all: it is written under another name and then renamed.

    Args:
        path: file to write; its folder is made where there is none.
        labels: uint8 [H,W], class indices.
        label_set: says what the indices mean.
        color: False for a single channel.

    Raises:
        LayoutRTError: ``labels`` is not a layout of this label set, or the file cannot be written.
    """
    import cv2  # a third of the time that importing this package would take

    check_layout(labels, label_set)
    image = colorize(labels, label_set)[..., ::-1] if color else label_set.to_file_values(labels)
    data = cv2.imencode(".png", image)[1].tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_instances(path: str | Path) -> NDArray[np.int32]:
    """Read instance ids from a PNG file of a single channel, 8 or 16 bits: int32 [H,W].

    Raises:
        LayoutRTError: the file is absent, truncated, or not such a PNG.
    """
    path = Path(path)
    png = read_png(path)
    if not png.gray or png.pixels.ndim != 2 or png.depth < 8:
        raise LayoutRTError(f"{path} does not hold instance ids; save them as PNG of one 8 or 16-bit channel")
    return png.pixels.astype(np.int32)


def _decode(path: Path) -> NDArray[np.uint8]:
    """Decode a PNG file: uint8 [H,W], or [H,W,3] BGR, or [H,W,4] BGRA."""
    png = read_png(path)
    # OpenCV would stretch 1, 2 and 4-bit grays over 0..255 and so change the classes.
    if png.depth == 16 or (png.depth < 8 and png.gray):
        raise LayoutRTError(f"{path} has {png.depth} bits per channel; save layouts as 8-bit PNG")
    return png.pixels.astype(np.uint8, copy=False)
