"""Representative inputs of a model: layouts, or frames of a segmenter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, resize_layout
from layoutrt.runtime.layout_source import find_sources

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")


def generator_inputs(
    data: str, frames: int, labels: LabelSet, size: tuple[int, int], *, instances: bool, latent: int
) -> Iterator[dict[str, NDArray]]:
    """Arguments of a generator, evenly spread over the data.

    A generator that reads instance ids gets the labels for them, and one with a latent a seeded draw.

    Args:
        data: a folder of layouts, one file, or ``drive:N``.
        frames: at most so many.
        labels: label set of the layouts.
        size: (height, width) to resize to.
        instances: whether the model reads instance ids.
        latent: length of its latent; 0 for none.

    Raises:
        LayoutRTError: the data are not there or not readable.
    """
    random = np.random.default_rng(0)
    for source in _spread(find_sources([data], labels, size), frames):
        layout = resize_layout(source.load(), size)[None]
        arguments: dict[str, NDArray] = {"labels": layout}
        if instances:
            arguments["instances"] = layout.astype(np.int32)
        if latent:
            arguments["z"] = random.standard_normal((1, latent), np.float32)
        yield arguments


def segmenter_inputs(data: str, frames: int, size: tuple[int, int]) -> Iterator[dict[str, NDArray]]:
    """Arguments of a segmenter, evenly spread over the images of a folder.

    Args:
        data: the folder, or one image.
        frames: at most so many.
        size: (height, width) to resize to.

    Raises:
        LayoutRTError: no images are there, or one cannot be read.
    """
    place = Path(data)
    files = sorted(f for f in place.glob("*") if f.suffix.lower() in IMAGES) if place.is_dir() else [place]
    if not files or not files[0].is_file():
        raise LayoutRTError(f"{data} holds no images; give --data a folder of PNG or JPEG frames")
    for file in _spread(files, frames):
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            raise LayoutRTError(f"{file} is no image that can be read; remove it or replace it")
        resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        yield {"frame": np.ascontiguousarray(resized[None, ..., ::-1])}


def _spread(items: Sequence, count: int) -> list:
    """At most ``count`` of the items, from first to last."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[round(place)] for place in places]
