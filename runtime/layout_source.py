"""Layouts of a command: PNG files, folders of them, or the procedural drive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, find_layouts, read_layout

_DRIVE = re.compile(r"drive:(\d+)(?:@(\d+))?")


@dataclass(frozen=True)
class LayoutSource:
    """One layout, not loaded yet."""

    name: str
    """Unique among the sources of a command; what is made of the layout is called so."""
    path: Path | None
    """Its file, or None if it is drawn."""
    load: Callable[[], NDArray[np.uint8]]
    """Read or draw it: uint8 [H,W], class indices."""


def find_sources(
    inputs: Iterable[str], label_set: LabelSet, drive_size: tuple[int, int]
) -> list[LayoutSource]:
    """The layouts that a command line names, in its order.

    Args:
        inputs: PNG files, folders of them, ``drive:N`` (the first N frames) or ``drive:N@SEED``.
        label_set: label set of the files.
        drive_size: (height, width) of the drive's frames.

    Raises:
        LayoutRTError: something is not there, or two layouts have the same name.
    """
    sources: dict[str, LayoutSource] = {}
    for text in inputs:
        for source in _sources(text, label_set, drive_size):
            other = sources.setdefault(source.name, source)
            if other is not source:
                raise LayoutRTError(
                    f"{other.path or 'the drive'} and {source.path or text} would both be written as "
                    f"{source.name}.png; rename one, or run the command once for each"
                )
    return list(sources.values())


def _sources(text: str, label_set: LabelSet, drive_size: tuple[int, int]) -> list[LayoutSource]:
    if not text.startswith("drive:"):
        return [
            LayoutSource(path.stem, path, partial(read_layout, path, label_set))
            for path in find_layouts(text)
        ]
    match = _DRIVE.fullmatch(text)
    if not match or int(match[1]) < 1:
        raise LayoutRTError(f"'{text}' is not a drive; write drive:N for N frames, or drive:N@SEED")
    drive = Drive(label_set, *drive_size, seed=int(match[2] or 0))
    return [
        LayoutSource(f"drive_{index:06}", None, partial(drive.frame, index)) for index in range(int(match[1]))
    ]
