"""`layoutrt.operators.quantized_gated_predicted_conv` in torch: the oracle of tests, no custom op."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from layoutrt.operators.gated_predicted_conv import ALPHA
from layoutrt.operators.torch import quantized_predicted_conv
from layoutrt.operators.torch.quantized_predicted_conv import quantize


def reference(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor,
    shift: Tensor,
    mix: Tensor,
    mix_bias: Tensor,
    gate_h: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    residual: Tensor,
    *,
    h_scale: float,
    h_zero_point: int,
    weight_scale: Sequence[float],
    mix_in_scale: float,
    mix_in_zero_point: int,
    mix_scale: Sequence[float],
    gate_h_scale: float,
    gate_h_zero_point: int,
    gate_weight_scale: Sequence[float],
    alpha: float = ALPHA,
) -> Tensor:
    """The operator in floating point; the oracle of tests.

    Args:
        x, h, bias, scale, shift, mix_bias, gate_h, gate_bias, residual, alpha: as for
            `gated_predicted_conv.reference`.
        weight, mix, gate_weight: int8 ``[C*9, J, 1, 1]``, ``[O, C, 1, 1]`` and ``[O, G, 1, 1]``.
        h_scale, h_zero_point: quantization of ``h``.
        mix_in_scale, mix_in_zero_point: quantization of ``d``, which ``mix`` multiplies.
        gate_h_scale, gate_h_zero_point: quantization of ``gate_h``.
        weight_scale, mix_scale, gate_weight_scale: ``C``, ``O`` and ``O`` positive numbers.

    Returns:
        float ``[N, O, H, W]``.
    """
    d = quantized_predicted_conv.reference(
        x,
        h,
        weight,
        bias,
        scale,
        shift,
        h_scale=h_scale,
        h_zero_point=h_zero_point,
        weight_scale=weight_scale,
    )
    d = quantize(d, mix_in_scale, mix_in_zero_point)
    gate_h = quantize(gate_h, gate_h_scale, gate_h_zero_point)
    mixed = F.conv2d(d, _dequantize(mix, mix_scale, x.dtype), mix_bias)
    gate = torch.sigmoid(F.conv2d(gate_h, _dequantize(gate_weight, gate_weight_scale, x.dtype), gate_bias))
    return residual + F.leaky_relu(mixed * gate, alpha)


def _dequantize(weight: Tensor, scales: Sequence[float], dtype: torch.dtype) -> Tensor:
    return weight.to(dtype) * torch.tensor(scales, dtype=torch.float32).to(dtype)[:, None, None, None]
