"""Photographs of a command: files, folders, splits and data sets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from layoutrt.inputs.datasets import part_folder, published_entries
from layoutrt.inputs.drive import refuse_drive
from layoutrt.inputs.files import IMAGE_SUFFIXES, LAYOUT_SUFFIX, listed


class FrameFile(NamedTuple):
    """A photograph's file, and that of its label map where the data have label maps."""

    image: Path
    labels: Path | None


def find_frames(source: str | Path, split: str) -> list[FrameFile]:
    """The photographs that a command line names, sorted by name.

    Args:
        source: an image file, a folder of them, a split with ``images/`` and perhaps ``labels/``, or the root
            of a data set.
        split: that is taken of a data set's root.

    Raises:
        LayoutRTError: there are no such images, or the source is a drive, which has none.
    """
    refuse_drive(str(source), "give a folder of images, or a data set")
    path = Path(source)
    entries = published_entries(path, split)
    if entries is not None:
        return [FrameFile(entry.image, entry.labels) for entry in entries]
    folder = part_folder(path, "images", split)
    labels = folder.with_name("labels") if folder != path else None
    labels = labels if labels and labels.is_dir() else None
    return [
        FrameFile(image, labels / f"{image.stem}{LAYOUT_SUFFIX}" if labels else None)
        for image in listed(folder, IMAGE_SUFFIXES, "images")
    ]
