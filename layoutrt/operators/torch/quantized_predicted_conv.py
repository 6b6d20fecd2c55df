"""``QuantizedPredictedConv``: `PredictedConv` whose features and predictor are 8-bit integers.

``h`` is quantised inside the operator, ``q = clamp(round_half_even(h / h_scale) + h_zero_point, 0, 255)``,
and the result is that of ``PredictedConv(x, (q - h_zero_point) * h_scale, weight * weight_scale, bias, scale,
shift)``; the nine taps of a channel share one weight scale. Products are added up in int32 without error, so
``J * p * p`` may be at most 32768. ``x``, the predicted kernels and the result stay in floating point.

The operator is for inference: there is no custom op of torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import torch
from onnx.defs import OpSchema
from torch import Tensor

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import AFFINE_PARAMETERS, parse_function
from layoutrt.operators.torch import predicted_conv

NAME = "QuantizedPredictedConv"


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
        h_scale, h_zero_point: quantisation of ``h``, as for `quantize`.
        weight_scale: ``C`` positive numbers, one for the nine taps of each channel.

    Returns:
        float ``[N, C, H, W]``.
    """
    scales = torch.tensor(weight_scale, dtype=torch.float32).repeat_interleave(weight.shape[0] // x.shape[1])
    dequantized = weight.to(x.dtype) * scales.to(x.dtype)[:, None, None, None]
    return predicted_conv.reference(x, quantize(h, h_scale, h_zero_point), dequantized, bias, scale, shift)


SCHEMA = OpSchema(
    NAME,
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("h", "T", "Features that the kernels are predicted from, [N, J, H, W]."),
        OpSchema.FormalParameter("weight", "tensor(int8)", "Weight of the predictor, [C*9, J, p, p]."),
        OpSchema.FormalParameter("bias", "T", "Bias of the predictor, [C*9]."),
        *AFFINE_PARAMETERS,
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, C, H, W].")],
    type_constraints=[("T", ["tensor(float)"], "Floating point.")],
    attributes=[
        OpSchema.Attribute("h_scale", OpSchema.AttrType.FLOAT, "Distance of two levels of h.", required=True),
        OpSchema.Attribute(
            "h_zero_point", OpSchema.AttrType.INT, "Level of h that is 0.0, 0 to 255.", required=True
        ),
        OpSchema.Attribute(
            "weight_scale",
            OpSchema.AttrType.FLOATS,
            "[C]: distance of two levels of a channel's weights.",
            required=True,
        ),
    ],
)


def function_body(with_affine: bool = True) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators and `PredictedConv`.

    A file that is to run without our library carries the body of `PredictedConv` too.
    """
    affine = ["scale", "shift"] if with_affine else []
    return parse_function(
        NAME,
        ["x", "h", "weight", "bias", *affine],
        "y",
        [
            "h_step = Constant <value_float: float = @h_scale> ()",
            "h_zero_int = Constant <value_int: int = @h_zero_point> ()",
            "h_zero = Cast <to = 2> (h_zero_int)",
            "levels = QuantizeLinear(h, h_step, h_zero)",
            "h_quantized = DequantizeLinear(levels, h_step, h_zero)",
            "weight_step = Constant <value_floats: floats = @weight_scale> ()",
            "last = Constant <value_ints = [-1]> ()",
            "columns = Unsqueeze(weight_step, last)",
            "taps = Constant <value_ints = [1, 9]> ()",
            "for_taps = Expand(columns, taps)",
            "rows = Constant <value_ints = [-1, 1, 1, 1]> ()",
            "for_rows = Reshape(for_taps, rows)",
            "weight_levels = Cast <to = 1> (weight)",
            "weight_float = Mul(weight_levels, for_rows)",
            f"y = {DOMAIN}.PredictedConv({', '.join(['x', 'h_quantized', 'weight_float', 'bias', *affine])})",
        ],
        attributes=["h_scale", "h_zero_point", "weight_scale"],
    )
