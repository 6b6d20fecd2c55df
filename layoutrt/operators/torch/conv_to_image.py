"""`layoutrt.operators.conv_to_image` in torch, for inference: its custom op has no gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_bytes(image: Tensor) -> Tensor:
    """float ``[N, 3, H, W]`` in [-1, 1] -> uint8 ``[N, H, W, 3]``, rounded half to even."""
    return (image * 127.5 + 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)


def float_image(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    """The image before its conversion to bytes: float ``[N, 3, H, W]`` in [-1, 1], of the same arguments."""
    features = x if y is None else torch.cat([x, y], 1)
    return torch.tanh(F.conv2d(features, weight, bias, padding=1))


def reference(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    """One operation after the other; the oracle of tests. All arguments have one floating-point type.

    Args:
        x: ``[N, C, H, W]``.
        weight: ``[3, C + D, 3, 3]``; D = 0 without ``y``.
        bias: ``[3]``.
        y: ``[N, D, H, W]``, further channels.

    Returns:
        uint8 ``[N, H, W, 3]``, RGB.
    """
    return to_bytes(float_image(x, weight, bias, y))


@torch.library.custom_op("layoutrt::conv_to_image", mutates_args=())
def conv_to_image(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    """The operator in torch, made for export; arguments and result are those of `reference`."""
    return reference(x, weight, bias, y).contiguous()


@conv_to_image.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    return x.new_empty((x.shape[0], *x.shape[2:], weight.shape[0]), dtype=torch.uint8)
