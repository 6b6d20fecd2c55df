"""Inputs to compare two models on: layouts for generators, camera frames for segmenters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import GENERATOR, ModelInfo
from layoutrt.calib.observe.calibration_inputs import (
    IMAGES,
    evenly_spread,
    generator_inputs,
    segmenter_inputs,
)
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import colorize, read_layout, resize_layout
from layoutrt.runtime.layout_source import find_sources


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
        data: layouts for generators, a folder, a file or ``drive:N``; images for segmenters, a folder or a
            file. A folder with ``labels/``, for segmenters beside ``images/``, is the split of a data set.
        model: one of the two.
        size: (height, width) to resize to.
        frames: at most so many; all by default.

    Attributes:
        has_labels: whether frames have labels.

    Raises:
        LayoutRTError: the data are not there.
    """

    def __init__(self, data: str, model: ModelInfo, size: tuple[int, int], frames: int | None = None) -> None:
        self._model, self._size = model, size
        folder, self._labels = Path(data), None
        if model.kind == GENERATOR:
            self._source = str(folder / "labels") if (folder / "labels").is_dir() else data
            names = [source.name for source in find_sources([self._source], model.label_set, size)]
        else:
            if (folder / "images").is_dir():
                self._labels = folder / "labels" if (folder / "labels").is_dir() else None
                folder = folder / "images"
            self._source = str(folder)
            files = sorted(folder.glob("*")) if folder.is_dir() else [folder]
            names = [file.stem for file in files if file.suffix.lower() in IMAGES]
            if not names:
                raise LayoutRTError(f"{data} holds no images; give --data a folder of PNG or JPEG frames")
        # As the inputs themselves are spread.
        self._names = evenly_spread(names, frames or len(names))
        self.has_labels = model.kind == GENERATOR or self._labels is not None

    def __len__(self) -> int:
        return len(self._names)

    def inputs(self, count: int) -> Iterator[dict[str, NDArray]]:
        """Arguments of `OpenModel.run`, ``count`` of them, evenly spread over the data."""
        model = self._model
        if model.kind == GENERATOR:
            return generator_inputs(
                self._source,
                count,
                model.label_set,
                self._size,
                instances=model.needs_instances,
                latent=model.latent,
            )
        return segmenter_inputs(self._source, count, self._size)

    def __iter__(self) -> Iterator[Frame]:
        """The frames, one after another.

        Raises:
            LayoutRTError: a file is damaged, or an image of a data set has no labels.
        """
        for index, (name, arguments) in enumerate(zip(self._names, self.inputs(len(self)), strict=True)):
            labels = self._labels_of(name, arguments)
            if self._model.kind == GENERATOR:
                picture = colorize(arguments["labels"][0], self._model.label_set)
            else:
                picture = arguments["frame"][0]
            yield Frame(index, name, arguments, labels, picture)

    def _labels_of(self, name: str, arguments: dict[str, NDArray]) -> NDArray[np.uint8] | None:
        if self._model.kind == GENERATOR:
            return arguments["labels"][0]
        if self._labels is None:
            return None
        return resize_layout(read_layout(self._labels / f"{name}.png", self._model.label_set), self._size)
