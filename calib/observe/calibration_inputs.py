"""Representative inputs of a model: layouts, or frames of a segmenter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import ModelInfo
from layoutrt.inputs import TRAINING, FrameFile, find_frames, find_sources, read_image
from layoutrt.layouts import LabelSet, read_layout, resize_layout

Item = TypeVar("Item")


@dataclass(frozen=True)
class Example:
    """Arguments of one run, and what the image shows."""

    arguments: dict[str, NDArray]
    labels: NDArray[np.uint8] | None
    """uint8 [H,W]: a generator's layout, a segmenter's labels; None where those are not known."""


class CalibrationInputs:
    """Arguments of a model's runs, read anew by every iteration.

    Args:
        data: for a generator layouts, as in `find_sources`, for a segmenter images, as in `find_frames`;
            of the root of a data set the training split.
        frames: most inputs to use, evenly spread over the data.
        model: model that takes them.

    Raises:
        LayoutRTError: the data are not there.
    """

    def __init__(self, data: str, frames: int, model: ModelInfo) -> None:
        self._data, self._model, self._frames = data, model, frames
        self._images = find_frames(data, TRAINING) if model.kind == "segmenter" else []

    def __iter__(self) -> Iterator[dict[str, NDArray]]:
        return self._first(self._frames)

    def some(self, count: int) -> Iterator[dict[str, NDArray]]:
        """At most ``count`` of them, evenly spread over the data."""
        return self._first(min(count, self._frames))

    def examples(self, count: int) -> Iterator[Example]:
        """At most ``count`` of them, evenly spread over the data, with what they show.

        Raises:
            LayoutRTError: labels of an image are missing or damaged.
        """
        model, count = self._model, min(count, self._frames)
        if model.kind == "generator":
            for arguments in self._first(count):
                yield Example(arguments, arguments["labels"][0])
            return
        for file, arguments in zip(evenly_spread(self._images, count), self._first(count), strict=True):
            labels = None
            if file.labels:
                labels = resize_layout(read_layout(file.labels, model.label_set), model.run_size)
            yield Example(arguments, labels)

    def _first(self, count: int) -> Iterator[dict[str, NDArray]]:
        model = self._model
        if model.kind == "segmenter":
            return segmenter_inputs(self._images, count, model.run_size)
        return generator_inputs(
            self._data,
            count,
            model.label_set,
            model.run_size,
            split=TRAINING,
            instances=model.needs_instances,
            latent=model.latent,
        )

    def digest(self) -> tuple[str, int]:
        """SHA-256 of all arguments in hexadecimal, and how many there are."""
        digest, count = hashlib.sha256(), 0
        for arguments in self:
            count += 1
            for name, array in arguments.items():
                digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest(), count


def generator_inputs(
    data: str,
    frames: int,
    labels: LabelSet,
    size: tuple[int, int],
    *,
    split: str,
    instances: bool,
    latent: int,
) -> Iterator[dict[str, NDArray]]:
    """Arguments of a generator, evenly spread over the data.

    A generator that reads instance ids gets the labels for them, and one with a latent a seeded draw.

    Args:
        data: layouts, as in `find_sources`.
        frames: most inputs to use.
        labels: label set of the layouts.
        size: (height, width) to resize to.
        split: split that is taken of a data set's root.
        instances: true if the model reads instance ids.
        latent: length of its latent; 0 for none.

    Raises:
        LayoutRTError: the data are not there or not readable.
    """
    random = np.random.default_rng(0)
    for source in evenly_spread(find_sources([data], labels, size, split), frames):
        layout = resize_layout(source.load(), size)[None]
        arguments: dict[str, NDArray] = {"labels": layout}
        if instances:
            arguments["instances"] = layout.astype(np.int32)
        if latent:
            arguments["z"] = random.standard_normal((1, latent), np.float32)
        yield arguments


def segmenter_inputs(
    images: Sequence[FrameFile], frames: int, size: tuple[int, int]
) -> Iterator[dict[str, NDArray]]:
    """Arguments of a segmenter, evenly spread over the images.

    Args:
        images: images of `find_frames`.
        frames: most inputs to use.
        size: (height, width) to resize to.

    Raises:
        LayoutRTError: an image cannot be read.
    """
    for file in evenly_spread(images, frames):
        resized = cv2.resize(read_image(file.image), size[::-1], interpolation=cv2.INTER_AREA)
        yield {"frame": np.ascontiguousarray(resized[None])}


def evenly_spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` of the items, from first to last."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)))
    return [items[round(place)] for place in places]
