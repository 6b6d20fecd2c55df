"""Samples that a data set gives to training."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Sample(NamedTuple):
    """One training sample, or a batch of them with a leading ``N``.

    Attributes:
        image: float32 ``[3, H, W]`` in [-1, 1], RGB.
        labels: uint8 ``[H, W]``, class indices of the label set; don't care is mapped to its index already.
        instances: int32 ``[H, W]``; zeros where the data set has no instance maps.
    """

    image: Tensor
    labels: Tensor
    instances: Tensor
