"""Detection of JPEG files that are cut off."""

from __future__ import annotations

import re

_START = b"\xff\xd8"
_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
# ITU-T T.81 section B.1.1.2: in a scan, 0xFF is data when 0 follows; restart markers belong to the scan.
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def is_whole_jpeg(data: bytes) -> bool:
    """Walk the segments of a JPEG file: whether its end-of-image marker is reached.

    Not left to OpenCV, some versions of which fill the missing part of a truncated file with gray.
    """
    if not data.startswith(_START):
        return False
    place = len(_START)
    while place + 1 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _END_OF_IMAGE:
            return True
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == _START_OF_SCAN:
            following = _MARKER_AFTER_SCAN.search(data, place)
            if following is None:
                return False
            place = following.start()
    return False
