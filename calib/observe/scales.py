"""Scales and zero points: how float values become 8-bit integers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layoutrt.calib.observe.ranges import Range

_SMALLEST = float(np.finfo(np.float32).tiny)


class Levels(NamedTuple):
    """``value = (level - zero_point) * scale`` for levels 0 to 255."""

    scale: float
    zero_point: int


def activation_levels(limits: Range) -> Levels:
    """The 256 levels that cover a range and hold 0.0 exactly, which padding needs."""
    low, high = min(limits.low, 0.0), max(limits.high, 0.0)
    scale = max(np.float32((high - low) / 255), np.float32(_SMALLEST))
    return Levels(float(scale), int(np.clip(np.rint(-low / scale), 0, 255)))


def quantize_rows(
    weight: NDArray[np.float32], rows: int, largest_level: int = 127
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights as symmetric int8, one scale for every ``rows`` rows.

    Args:
        weight: ``[R, …]``, R a multiple of ``rows``.
        rows: consecutive rows that share a scale.
        largest_level: largest level of the integers, in either direction.

    Returns:
        int8 of the same shape, ``-largest_level`` to ``largest_level``, and the scales ``[R / rows]``.
    """
    grouped = weight.reshape(len(weight) // rows, -1)
    largest = np.abs(grouped).max(1)
    # A row of zeros takes a scale of the others: its bias, in steps of it, has to fit into 32 bits.
    largest[largest == 0] = largest[largest > 0].min(initial=1)
    scales = np.maximum(largest / largest_level, np.float32(_SMALLEST)).astype(np.float32)
    levels = np.rint(grouped / scales[:, None]).clip(-largest_level, largest_level).astype(np.int8)
    return levels.reshape(weight.shape), scales


LEVELS = 127
SMALLEST_HALF = float(np.finfo(np.float16).smallest_normal)
"""2**-14. Smaller numbers of FP16 have fewer digits, and kernels may flush them to zero."""


def fits_half(scales: NDArray) -> bool:
    """True where FP16 holds all scales with its full precision."""
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
