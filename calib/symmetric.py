"""Scales of symmetric int8, as TensorRT quantises: ``value = level * scale``, levels -127 to 127.

Scales are numbers that FP16 holds, so that a graph in FP16 and one in float32 have the same levels: TensorRT
reads the scale in the type of the tensor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layoutrt.calib.affine import quantize_rows
from layoutrt.calib.ranges import Range

LEVELS = 127
SMALLEST_HALF = float(np.finfo(np.float16).smallest_normal)
"""2**-14. Smaller numbers of FP16 have fewer digits, and kernels may flush them to zero."""


def fits_half(scales: NDArray) -> bool:
    """Whether FP16 holds all scales with its full precision."""
    values = np.asarray(scales, np.float32)
    return bool((values >= SMALLEST_HALF).all() and (values <= np.finfo(np.float16).max).all())


def activation_scale(limits: Range) -> np.float32:
    """The scale that covers a range; 1 for a tensor that was 0 everywhere."""
    largest = max(abs(limits.low), abs(limits.high))
    return _rounded_up(np.array([largest / LEVELS], np.float32))[0] if largest else np.float32(1)


def quantize_channels(
    weight: NDArray[np.float32], rows: int = 1
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights as symmetric int8, one scale for every ``rows`` rows of the first axis.

    Args:
        weight: ``[R, …]``, R a multiple of ``rows``.
        rows: consecutive rows that share a scale.

    Returns:
        int8 of the same shape, and the scales ``[R / rows]``; 1 where all weights are 0.
    """
    grouped = weight.reshape(len(weight) // rows, -1)
    _, scales = quantize_rows(weight, rows)
    scales = np.where(grouped.any(1), _rounded_up(scales), np.float32(1))
    levels = np.rint(grouped / scales[:, None]).clip(-LEVELS, LEVELS).astype(np.int8)
    return levels.reshape(weight.shape), scales


def _rounded_up(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """The next numbers of FP16, so that the range stays covered; as they are where FP16 is not precise."""
    with np.errstate(over="ignore"):
        half = scales.astype(np.float16)
    half = np.where(half.astype(np.float32) < scales, np.nextafter(half, np.float16(np.inf)), half)
    precise = (scales >= SMALLEST_HALF) & np.isfinite(half)
    return np.where(precise, half.astype(np.float32), scales)
