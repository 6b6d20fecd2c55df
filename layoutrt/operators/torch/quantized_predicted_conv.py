"""`layoutrt.operators.quantized_predicted_conv` in torch: the oracle of tests, no custom op."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from layoutrt.operators.torch import predicted_conv


def quantize(value: Tensor, scale: float, zero_point: int) -> Tensor:
    """``value`` at the nearest of the 256 levels that ``scale`` and ``zero_point`` describe.

    The quotient is rounded to float32 before it is rounded to a level, as ONNX's ``QuantizeLinear`` does.

    Args:
        value: float tensor of any shape.
        scale: distance of two levels, positive.
        zero_point: number of the level that is 0.0, 0 to 255.

    Returns:
        Of the type and shape of ``value``.
    """
    levels = torch.round(value.float() / torch.tensor(scale, dtype=torch.float32)) + zero_point
    return (levels.clamp(0, 255) - zero_point).to(value.dtype) * torch.tensor(scale, dtype=torch.float32)


def reference(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    *,
    h_scale: float,
    h_zero_point: int,
    weight_scale: Sequence[float],
) -> Tensor:
    """The operator in floating point; the oracle of tests.

    Args:
        x: float ``[N, C, H, W]``.
        h: float ``[N, J, H, W]``, features the kernels are predicted from.
        weight: int8 ``[C*9, J, p, p]``, ``p`` = 1 or 3.
        bias: float ``[C*9]``.
        scale, shift: float ``[C]``, both or neither.
        h_scale, h_zero_point: quantization of ``h``, as for `quantize`.
        weight_scale: ``C`` positive numbers, one for the nine taps of each channel.

    Returns:
        float ``[N, C, H, W]``.
    """
    scales = torch.tensor(weight_scale, dtype=torch.float32).repeat_interleave(weight.shape[0] // x.shape[1])
    dequantized = weight.to(x.dtype) * scales.to(x.dtype)[:, None, None, None]
    return predicted_conv.reference(x, quantize(h, h_scale, h_zero_point), dequantized, bias, scale, shift)
