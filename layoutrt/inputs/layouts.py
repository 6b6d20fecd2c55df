"""Layouts of a command: PNG files, folders, splits and data sets, or the procedural drive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.inputs.datasets import JUDGING, part_folder, published_entries
from layoutrt.inputs.drive import parse_drive
from layoutrt.inputs.files import LAYOUT_SUFFIX, listed
from layoutrt.layouts import LabelSet, read_layout


@dataclass(frozen=True)
class LayoutSource:
    """One layout, not loaded yet."""

    name: str
    """Unique among the sources of a command; what is made of the layout is called so."""
    path: Path | None
    """Its file, or None where it is drawn."""
    load: Callable[[], NDArray[np.uint8]]
    """Reads or draws it: uint8 [H,W], class indices."""


def find_layouts(source: str | Path, split: str = JUDGING) -> list[Path]:
    """Return the PNG files that a command line names, sorted by name.

    Args:
        source: a PNG file, a folder of them, a split with ``labels/``, or the root of a data set.
        split: that is taken of a data set's root.

    Raises:
        LayoutRTError: there is no such path, or no PNG file in the folder.
    """
    path = Path(source)
    entries = published_entries(path, split)
    if entries is not None:
        return [entry.labels for entry in entries]
    return listed(part_folder(path, "labels", split), (LAYOUT_SUFFIX,), "PNG images")


def find_sources(
    inputs: Iterable[str], label_set: LabelSet, drive_size: tuple[int, int], split: str = JUDGING
) -> list[LayoutSource]:
    """The layouts that a command line names, in its order.

    Args:
        inputs: as of `find_layouts`, ``drive:N`` (the first N frames) or ``drive:N@SEED``.
        label_set: of the files.
        drive_size: (height, width) of the drive's frames.
        split: that is taken of a data set's root.

    Raises:
        LayoutRTError: something is not there, a drive has no end, or two layouts have the same name.
    """
    sources: dict[str, LayoutSource] = {}
    for text in inputs:
        for source in _sources(text, label_set, drive_size, split):
            other = sources.setdefault(source.name, source)
            if other is not source:
                raise LayoutRTError(
                    f"{other.path or 'the drive'} and {source.path or text} would both be written as "
                    f"{source.name}.png; rename one, or run the command once for each"
                )
    return list(sources.values())


def _sources(text: str, label_set: LabelSet, drive_size: tuple[int, int], split: str) -> list[LayoutSource]:
    drawn = parse_drive(text)
    if drawn is None:
        return [
            LayoutSource(path.stem, path, partial(read_layout, path, label_set))
            for path in find_layouts(text, split)
        ]
    if drawn.frames is None:
        raise LayoutRTError(f"'{text}' has no end; give the number of frames, such as drive:20")
    drive = Drive(label_set, *drive_size, seed=drawn.seed or 0)
    return [
        LayoutSource(f"drive_{index:06}", None, partial(drive.frame, index)) for index in range(drawn.frames)
    ]
