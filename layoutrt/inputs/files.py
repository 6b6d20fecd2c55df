"""The files of a folder, and the suffixes of images and layouts."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from layoutrt.errors import LayoutRTError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
"""Suffixes of photographs, in small or capital letters."""

LAYOUT_SUFFIX = ".png"
"""Suffix of layouts: the other formats lose values or have no class bytes."""


def is_image(path: Path) -> bool:
    """True for the name of an image that is not a hidden file (``._street.jpg``)."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def listed(path: Path, suffixes: Collection[str], what: str) -> list[Path]:
    """The files of a folder that have one of the suffixes, sorted by name; one file is a list of itself.

    Hidden files, such as macOS's ``._street.jpg``, and other suffixes are passed over.

    Args:
        path: the folder, or one file.
        suffixes: in small letters.
        what: the files are called, for messages: "images" or "PNG images".

    Raises:
        LayoutRTError: there is no such path, the one file has another suffix, or the folder has no such file.
    """
    allowed = ", ".join(suffixes)
    if path.is_file():
        if path.suffix.lower() not in suffixes:
            raise LayoutRTError(f"{path} is not one of the {what} that are read here; give {allowed} files")
        return [path]
    if not path.is_dir():
        raise LayoutRTError(f"there is no file or folder {path}; check the path")
    files = sorted(
        entry
        for entry in path.iterdir()
        if entry.suffix.lower() in suffixes and not entry.name.startswith(".")
    )
    if not files:
        raise LayoutRTError(f"the folder {path} has no {what}; give one with {allowed} files")
    return files
