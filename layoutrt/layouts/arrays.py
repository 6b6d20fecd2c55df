"""Layouts as arrays: to colors, from colors, and resizing."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts.label_set import LabelSet

Integer = TypeVar("Integer", bound=np.integer)


def colorize(labels: NDArray[np.uint8], label_set: LabelSet) -> NDArray[np.uint8]:
    """Paint a layout in its palette: uint8 [H,W] class indices to uint8 [H,W,3] RGB.

    Raises:
        LayoutRTError: ``labels`` is not a layout of this label set.
    """
    check_layout(labels, label_set)
    return np.take(label_set.palette, labels, axis=0)


def decolorize(rgb: NDArray[np.uint8], label_set: LabelSet, source: str = "the layout") -> NDArray[np.uint8]:
    """Look every color up in the palette: uint8 [H,W,3] RGB to uint8 [H,W] class indices.

    Raises:
        LayoutRTError: a color is not in the palette; the message names the pixel, the color and the nearest
            label. ``source`` says where the image came from.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise LayoutRTError(f"{source} is {rgb.dtype} {list(rgb.shape)}; give an RGB image, uint8 [H,W,3]")
    labels, known = find_colors(rgb, label_set)
    if not known.all():
        y, x = (int(i[0]) for i in np.nonzero(~known))
        color = rgb[y, x].astype(int)
        nearest = int(((label_set.palette.astype(int) - color) ** 2).sum(axis=1).argmin())
        raise LayoutRTError(
            f"{source} has the color {tuple(color.tolist())} at pixel (x={x}, y={y}), which is not in the "
            f"palette of label set '{label_set.name}' (nearest: {label_set.names[nearest]} "
            f"{label_set.colors[nearest]}); save layouts as PNG, without smoothing or scaling"
        )
    return labels


def find_colors(rgb: NDArray[np.uint8], label_set: LabelSet) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Look colors up in the palette: uint8 [H,W,3] RGB to uint8 [H,W] indices and bool [H,W], if known."""
    shifts = np.array([1 << 16, 1 << 8, 1], np.int32)
    keys = label_set.palette.astype(np.int32) @ shifts
    order = np.argsort(keys)
    wanted = (rgb[..., 0].astype(np.int32) << 16) | (rgb[..., 1].astype(np.int32) << 8) | rgb[..., 2]
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    return order.astype(np.uint8)[place], keys[order][place] == wanted


def resize_layout(labels: NDArray[Integer], size: tuple[int, int]) -> NDArray[Integer]:
    """Resize to ``size`` = (height, width) by nearest sampling: output row i is row floor(i * H / height).

    The rule is that of torch's ``interpolate(mode="nearest")``, in exact integer arithmetic. Works on the
    last two axes: [...,H,W] to [...,height,width], labels or instance ids alike.
    """
    height, width = size
    rows = np.arange(height) * labels.shape[-2] // height
    columns = np.arange(width) * labels.shape[-1] // width
    return labels[..., rows, :][..., columns]


def check_layout(labels: NDArray[np.uint8], label_set: LabelSet) -> None:
    """Raise LayoutRTError unless ``labels`` is uint8 [...,H,W] and every value is a class index."""
    if labels.dtype != np.uint8 or labels.ndim < 2:
        raise LayoutRTError(
            f"the layout is {labels.dtype} {list(labels.shape)}; give class indices as uint8 [H,W]"
        )
    highest = int(labels.max(initial=0))
    if highest >= label_set.num_classes:
        raise LayoutRTError(
            f"the layout has the class index {highest}, but label set '{label_set.name}' ends at "
            f"{label_set.num_classes - 1}; use the label set that the layout was made with"
        )
