"""Layouts as PNG files: a single channel of class bytes, or the palette's colors."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing
from layoutrt.layouts.arrays import check_layout, colorize, decolorize, find_colors
from layoutrt.layouts.label_set import LabelSet

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY = 0  # PNG color type, ISO/IEC 15948 section 11.2.2


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
        LayoutRTError: ``labels`` is no layout of this label set, or the file cannot be written.
    """
    check_layout(labels, label_set)
    image = colorize(labels, label_set)[..., ::-1] if color else label_set.to_file_values(labels)
    data = cv2.imencode(".png", image)[1].tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def find_layouts(path: str | Path) -> list[Path]:
    """Return the PNG files of a folder, sorted by name; the path of one file is a list of itself.

    Raises:
        LayoutRTError: there is no such path, or no PNG file in the folder.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise LayoutRTError(f"there is no file or folder {path}; check the path")
    files = sorted(p for p in path.iterdir() if p.suffix.lower() == ".png" and not p.name.startswith("."))
    if not files:
        raise LayoutRTError(f"the folder {path} has no PNG images; give a folder of layouts")
    return files


def _decode(path: Path) -> NDArray[np.uint8]:
    """Decode a PNG file: uint8 [H,W], or [H,W,3] BGR, or [H,W,4] BGRA."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LayoutRTError(f"cannot read the layout {path} ({error.strerror}); check the path") from None
    if not data.startswith(_SIGNATURE):
        raise LayoutRTError(f"{path} is not a PNG image; save layouts as PNG, which keeps every pixel exact")
    if not _is_whole(data):
        raise LayoutRTError(f"{path} is a damaged or truncated PNG; copy or write it again")
    depth, color_type = data[24], data[25]
    # OpenCV would stretch 1, 2 and 4-bit grays over 0..255 and so change the classes.
    if depth == 16 or (depth < 8 and color_type == _GRAY):
        raise LayoutRTError(f"{path} has {depth} bits per channel; save layouts as 8-bit PNG")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise LayoutRTError(f"{path} cannot be decoded as PNG; write it again")
    return image.astype(np.uint8, copy=False)


def _is_whole(data: bytes) -> bool:
    """Walk the chunks of a PNG: whether each has its right checksum and IEND is reached.

    Not left to OpenCV, whose decoder writes its own complaint about a damaged file to stderr.
    """
    place = len(_SIGNATURE)
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        checksum = int.from_bytes(data[end - 4 : end], "big")
        if end > len(data) or zlib.crc32(data[place + 4 : end - 4]) != checksum:
            return False
        if data[place + 4 : place + 8] == b"IEND":
            return place > len(_SIGNATURE) + 12
        place = end
    return False
