"""Inputs to compare two models on: layouts for generators, camera frames for segmenters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import GENERATOR, ModelInfo
from layoutrt.calib.observe.calibration_inputs import evenly_spread, generator_inputs, segmenter_inputs
from layoutrt.inputs import JUDGING, FrameFile, find_frames, find_sources
from layoutrt.layouts import colorize, read_layout, resize_layout


@dataclass(frozen=True)
class Frame:
    """One input of both models."""

    index: int
    name: str
    arguments: dict[str, NDArray]
    """Arguments of `layoutrt.export.any_model.OpenModel.run`."""
    labels: NDArray[np.uint8] | None
    """Labels that the image should show, uint8 [H,W]: a generator's layout, or a segmenter's labels where
    there are any."""
    picture: NDArray[np.uint8]
    """The input to look at, uint8 [H,W,3], RGB: the layout in its colors, or the camera frame."""


class VerificationData:
    """Frames, evenly spread over the data.

    Args:
        data: layouts for generators, as of `find_sources`, and images for segmenters, as of `find_frames`; of
            the root of a data set the validation split.
        model: one of the two.
        size: (height, width) to resize to.
        frames: at most so many; all by default.

    Attributes:
        has_labels: whether frames have labels.

    Raises:
        LayoutRTError: the data are not there.
    """

    def __init__(self, data: str, model: ModelInfo, size: tuple[int, int], frames: int | None = None) -> None:
        self._model, self._size, self._data = model, size, data
        if model.kind == GENERATOR:
            self._images: list[FrameFile] = []
            names = [source.name for source in find_sources([data], model.label_set, size, JUDGING)]
        else:
            self._images = find_frames(data, JUDGING)
            names = [file.image.stem for file in self._images]
        # As the inputs themselves are spread.
        self._names = evenly_spread(names, frames or len(names))
        self._frames = evenly_spread(self._images, len(self._names))
        self.has_labels = model.kind == GENERATOR or any(file.labels for file in self._images)

    def __len__(self) -> int:
        return len(self._names)

    def inputs(self, count: int) -> Iterator[dict[str, NDArray]]:
        """Arguments of `OpenModel.run`, ``count`` of them, evenly spread over the data."""
        model = self._model
        if model.kind == GENERATOR:
            return generator_inputs(
                self._data,
                count,
                model.label_set,
                self._size,
                split=JUDGING,
                instances=model.needs_instances,
                latent=model.latent,
            )
        return segmenter_inputs(self._images, count, self._size)

    def __iter__(self) -> Iterator[Frame]:
        """The frames, one after another.

        Raises:
            LayoutRTError: a file is damaged, or an image of a data set has no labels.
        """
        for index, (name, arguments) in enumerate(zip(self._names, self.inputs(len(self)), strict=True)):
            labels = self._labels_of(index, arguments)
            if self._model.kind == GENERATOR:
                picture = colorize(arguments["labels"][0], self._model.label_set)
            else:
                picture = arguments["frame"][0]
            yield Frame(index, name, arguments, labels, picture)

    def _labels_of(self, index: int, arguments: dict[str, NDArray]) -> NDArray[np.uint8] | None:
        if self._model.kind == GENERATOR:
            return arguments["labels"][0]
        file = self._frames[index].labels
        return resize_layout(read_layout(file, self._model.label_set), self._size) if file else None
