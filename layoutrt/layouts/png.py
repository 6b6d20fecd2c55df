"""PNG files, read exactly or not at all."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GRAY = 0  # PNG color type, ISO/IEC 15948 section 11.2.2


class Png(NamedTuple):
    """A decoded file.

    Attributes:
        pixels: uint8 or uint16 [H,W], [H,W,3] BGR or [H,W,4] BGRA, as OpenCV decodes it.
        depth: bits per channel in the file; OpenCV stretches grays of fewer than 8 over 0..255.
        gray: true if the file has one channel, which is not a palette index.
    """

    pixels: NDArray[np.integer]
    depth: int
    gray: bool


def read_png(path: Path) -> Png:
    """Read a PNG file.

    Raises:
        LayoutRTError: the file is absent, truncated, or no PNG.
    """
    import cv2  # a third of the time that importing this package would take

    try:
        data = path.read_bytes()
    except OSError as error:
        raise LayoutRTError(f"cannot read the layout {path} ({error.strerror}); check the path") from None
    if not data.startswith(_SIGNATURE):
        raise LayoutRTError(f"{path} is not a PNG image; save layouts as PNG, which keeps every pixel exact")
    if not _is_whole(data):
        raise LayoutRTError(f"{path} is a damaged or truncated PNG; copy or write it again")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        # More pixels than OpenCV decodes.
        pixels = None
    if pixels is None:
        raise LayoutRTError(f"{path} cannot be decoded as PNG; write it again")
    return Png(cast("NDArray[np.integer]", pixels), depth=data[24], gray=data[25] == _GRAY)


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
