"""Inputs of the profiled models: frames of the drive, or a folder's layouts or images."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.files import utf8_name
from layoutrt.layouts import colorize, find_layouts, label_set, read_layout
from layoutrt.runtime.profiling.target import Target

FRAMES = 16
"""Number of different inputs by default; the runs cycle through them."""
_DRIVE_STEP = 10
"""Distance between two inputs, in frames of the drive."""
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def write_inputs(target: Target, source: str, file: Path) -> None:
    """Write the arguments of consecutive runs as an ``.npz`` whose arrays have one more dimension in front.

    Generators get ``labels`` (and, if they read them, ``instances`` equal to the labels and a seeded ``z``);
    segmenters and pipelines get ``frame``.

    Args:
        target: the model.
        source: ``drive:``, ``drive:N``, ``drive:N@SEED``, or a folder of layouts or, for segmenters, images.
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
    match = re.fullmatch(r"drive:(\d*)(?:@(\d+))?", source)
    if not match:
        if source.startswith("drive:"):
            raise LayoutRTError(
                f"'{source}' is not a drive; write drive:, drive:N for N frames, or drive:N@SEED"
            )
        return None
    count = int(match[1]) if match[1] else FRAMES
    if count < 1:
        raise LayoutRTError(f"'{source}' has no frames; write drive:N with N from 1 up")
    drive = Drive(label_set("camvid"), *target.size, seed=int(match[2] or 0))
    frames = [drive.frame(index * _DRIVE_STEP) for index in range(count)]
    # The drive draws CamVid's classes. Other label sets get regions of the same shapes, which take as long.
    return [frame % target.label_set.num_classes for frame in frames]


def _layouts(target: Target, source: str) -> list[NDArray[np.uint8]]:
    drawn = _drive(target, source)
    if drawn is not None:
        return drawn
    layouts = [read_layout(path, target.label_set) for path in _spread(find_layouts(source))]
    return [_resized(layout, target.size, cv2.INTER_NEAREST) for layout in layouts]


def _frames(target: Target, source: str) -> list[NDArray[np.uint8]]:
    drawn = _drive(target, source)
    if drawn is not None:
        return [colorize(frame, target.label_set) for frame in drawn]
    folder = Path(source)
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in _IMAGES)
    if not files:
        raise LayoutRTError(
            f"the folder '{source}' contains no images; give a folder of PNG or JPEG files, or drive:"
        )
    found = []
    for path in _spread(files):
        image = cv2.imread(utf8_name(path), cv2.IMREAD_COLOR)
        if image is None:
            raise LayoutRTError(f"{path} cannot be read as an image; remove it from the folder")
        found.append(_resized(np.ascontiguousarray(image[..., ::-1]), target.size, cv2.INTER_AREA))
    return found


def _resized(image: NDArray[np.uint8], size: tuple[int, int], method: int) -> NDArray[np.uint8]:
    return cv2.resize(image, size[::-1], interpolation=method).astype(np.uint8, copy=False)


def _spread(files: list[Path]) -> list[Path]:
    """At most `FRAMES` of them, evenly spread."""
    count = min(FRAMES, len(files))
    return [files[index * len(files) // count] for index in range(count)]
