"""What the profiled models are given: frames of the drive, or a folder's layouts or images."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.drive import Drive
from layoutrt.inputs import JUDGING, find_frames, find_layouts, parse_drive, read_image
from layoutrt.layouts import colorize, label_set, read_layout
from layoutrt.runtime.profiling.subject import Subject

Item = TypeVar("Item")

FRAMES = 16
"""Different inputs of a run without a number; runs take them in turn."""
_DRIVE_STEP = 10
"""Frames of the drive between two inputs."""


def write_inputs(subject: Subject, source: str, file: Path) -> None:
    """Arguments of consecutive runs as an ``.npz`` whose arrays have one more dimension in front.

    Generators get ``labels`` (``instances`` equal to them, ``z`` seeded, where they read such); segmenters
    and pipelines get ``frame``.

    Args:
        subject: the model.
        source: a drive, or layouts as of `find_layouts`, for segmenters images as of `find_frames`; of the
            root of a data set the validation split.
        file: to write.

    Raises:
        LayoutRTError: the source is not there, or holds nothing to use.
    """
    arrays: dict[str, NDArray] = {}
    if subject.reads == "segmenter":
        arrays["frame"] = _batched(_frames(subject, source), subject.batch)
    else:
        labels = _batched(_layouts(subject, source), subject.batch)
        arrays["labels"] = labels
        if subject.config.get("instance_edges"):
            arrays["instances"] = labels.astype(np.int32)
        if latent := int(subject.config.get("latent", 0)):
            shape = (len(labels), subject.batch, latent)
            arrays["z"] = np.random.default_rng(0).standard_normal(shape, np.float32)
    np.savez(file, **arrays)  # type: ignore[arg-type]


def _batched(samples: list[NDArray[np.uint8]], batch: int) -> NDArray[np.uint8]:
    """[S,H,W,...] as [S,N,H,W,...], each repeated."""
    return np.repeat(np.stack(samples)[:, None], batch, axis=1)


def _drive(subject: Subject, source: str) -> list[NDArray[np.uint8]] | None:
    drawn = parse_drive(source)
    if drawn is None:
        return None
    drive = Drive(label_set("camvid"), *subject.size, seed=drawn.seed or 0)
    count = drawn.frames or FRAMES
    frames = [drive.frame(index * _DRIVE_STEP) for index in range(count)]
    # The drive knows CamVid's classes. Of others it gives regions of the same shapes, which take as long.
    return [frame % subject.label_set.num_classes for frame in frames]


def _layouts(subject: Subject, source: str) -> list[NDArray[np.uint8]]:
    drawn = _drive(subject, source)
    if drawn is not None:
        return drawn
    layouts = [read_layout(path, subject.label_set) for path in _spread(find_layouts(source, JUDGING))]
    return [_resized(layout, subject.size, cv2.INTER_NEAREST) for layout in layouts]


def _frames(subject: Subject, source: str) -> list[NDArray[np.uint8]]:
    drawn = _drive(subject, source)
    if drawn is not None:
        return [colorize(frame, subject.label_set) for frame in drawn]
    images = [read_image(file.image) for file in _spread(find_frames(source, JUDGING))]
    return [_resized(image, subject.size, cv2.INTER_AREA) for image in images]


def _resized(image: NDArray[np.uint8], size: tuple[int, int], method: int) -> NDArray[np.uint8]:
    return cv2.resize(image, size[::-1], interpolation=method).astype(np.uint8, copy=False)


def _spread(files: list[Item]) -> list[Item]:
    """At most `FRAMES` of them, evenly spread."""
    count = min(FRAMES, len(files))
    return [files[index * len(files) // count] for index in range(count)]
