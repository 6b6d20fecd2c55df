"""Scales and zero points: how float values become 8-bit integers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layoutrt.calib.ranges import Range

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
        largest_level: of the integers, in either direction.

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
