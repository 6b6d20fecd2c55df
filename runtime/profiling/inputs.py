"""Inputs of the profiled models: frames of the drive, or a folder's layouts or images."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.drive import Drive
from layoutrt.inputs import JUDGING, find_frames, find_layouts, parse_drive, read_image
from layoutrt.layouts import colorize, label_set, read_layout
from layoutrt.runtime.profiling.target import Target

Item = TypeVar("Item")

FRAMES = 16
"""Number of different inputs by default; the runs cycle through them."""
_DRIVE_STEP = 10
"""Distance between two inputs, in frames of the drive."""


def write_inputs(target: Target, source: str, file: Path) -> None:
    """Write the arguments of consecutive runs as an ``.npz`` whose arrays have one more dimension in front.

    Generators get ``labels`` (and, if they read them, ``instances`` equal to the labels and a seeded ``z``);
    segmenters and pipelines get ``frame``.

    Args:
        target: the model.
        source: a drive, or layouts as in `find_layouts`, for segmenters images as in `find_frames`; of the
            root of a data set the validation split.
        file: path of the ``.npz``.

    Raises:
        LayoutRTError: the source does not exist, or contains nothing that can be used.
    """
    arrays: dict[str, NDArray] = {}
    if target.reads == "segmenter":
        arrays["frame"] = _batched(_frames(target, source), target.batch)
    else:
        labels = _batched(_layouts(target, source), target.batch)
        arrays["labels"] = labels
        if target.config.get("instance_edges"):
            arrays["instances"] = labels.astype(np.int32)
        if latent := int(target.config.get("latent", 0)):
            shape = (len(labels), target.batch, latent)
            arrays["z"] = np.random.default_rng(0).standard_normal(shape, np.float32)
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _batched(samples: list[NDArray[np.uint8]], batch: int) -> NDArray[np.uint8]:
    """[S,H,W,...] as [S,N,H,W,...], each repeated."""
    return np.repeat(np.stack(samples)[:, None], batch, axis=1)


def _drive(target: Target, source: str) -> list[NDArray[np.uint8]] | None:
    drawn = parse_drive(source)
    if drawn is None:
        return None
    drive = Drive(label_set("camvid"), *target.size, seed=drawn.seed or 0)
    count = drawn.frames or FRAMES
    frames = [drive.frame(index * _DRIVE_STEP) for index in range(count)]
    # The drive draws CamVid's classes. Other label sets get regions of the same shapes, which take as long.
    return [frame % target.label_set.num_classes for frame in frames]


def _layouts(target: Target, source: str) -> list[NDArray[np.uint8]]:
    drawn = _drive(target, source)
    if drawn is not None:
        return drawn
    layouts = [read_layout(path, target.label_set) for path in _spread(find_layouts(source, JUDGING))]
    return [_resized(layout, target.size, cv2.INTER_NEAREST) for layout in layouts]


def _frames(target: Target, source: str) -> list[NDArray[np.uint8]]:
    drawn = _drive(target, source)
    if drawn is not None:
        return [colorize(frame, target.label_set) for frame in drawn]
    images = [read_image(file.image) for file in _spread(find_frames(source, JUDGING))]
    return [_resized(image, target.size, cv2.INTER_AREA) for image in images]


def _resized(image: NDArray[np.uint8], size: tuple[int, int], method: int) -> NDArray[np.uint8]:
    return cv2.resize(image, size[::-1], interpolation=method).astype(np.uint8, copy=False)


def _spread(files: list[Item]) -> list[Item]:
    """At most `FRAMES` of them, evenly spread."""
    count = min(FRAMES, len(files))
    return [files[index * len(files) // count] for index in range(count)]
