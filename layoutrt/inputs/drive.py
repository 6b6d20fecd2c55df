"""The names of the synthetic drive: ``drive:``, ``drive:N``, ``drive:@SEED`` and ``drive:N@SEED``."""

from __future__ import annotations

import re
from typing import NamedTuple

from layoutrt.errors import LayoutRTError

_SCHEME = "drive:"
_DRIVE = re.compile(r"drive:([1-9]\d{0,8})?(?:@(\d{1,9}))?")


class DriveFrames(NamedTuple):
    """Frames of a town."""

    frames: int | None
    """The first so many; None where the name gives no number."""
    seed: int | None
    """Another seed is another town; None where the name gives none."""


def parse_drive(text: str) -> DriveFrames | None:
    """Parse the name of a drive; None where ``text`` names something else.

    Raises:
        LayoutRTError: the text starts as a drive and goes on as none.
    """
    if not text.startswith(_SCHEME):
        return None
    match = _DRIVE.fullmatch(text)
    if not match:
        raise LayoutRTError(
            f"'{text}' is not a drive; use drive:, drive:N for N frames, drive:@SEED for another town, or "
            "drive:N@SEED"
        )
    return DriveFrames(*(int(part) if part else None for part in match.groups()))


def refuse_drive(text: str, advice: str) -> None:
    """Refuse a drive where photographs are needed.

    Args:
        text: the input.
        advice: what to give instead.

    Raises:
        LayoutRTError: ``text`` names a drive.
    """
    if parse_drive(text):
        raise LayoutRTError(f"'{text}' gives layouts without photographs; {advice}")
