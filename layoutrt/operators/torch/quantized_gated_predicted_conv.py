"""``QuantizedGatedPredictedConv``: `GatedPredictedConv` whose three products are of 8-bit integers.

``h``, the conditional convolution's result ``d`` and ``gate_h`` are quantised inside the operator, each with
a scale and a zero point of its own, as `quantized_predicted_conv.quantize` does; ``weight``, ``mix`` and
``gate_weight`` are int8 with a scale for each channel that they lead to (one for the nine taps of a predicted
kernel). Products are added up in int32 without error; everything else is in floating point.

The operator is for inference: there is no custom op of torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import torch
import torch.nn.functional as F
from onnx.defs import OpSchema
from torch import Tensor

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import parse_function
from layoutrt.operators.torch import gated_predicted_conv, quantized_predicted_conv
from layoutrt.operators.torch.quantized_predicted_conv import quantize

NAME = "QuantizedGatedPredictedConv"


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
    alpha: float = gated_predicted_conv.ALPHA,
) -> Tensor:
    """The operator in floating point; the oracle of tests.

    Args:
        x, h, bias, scale, shift, mix_bias, gate_h, gate_bias, residual, alpha: as for
            `gated_predicted_conv.reference`.
        weight, mix, gate_weight: int8 ``[C*9, J, 1, 1]``, ``[O, C, 1, 1]`` and ``[O, G, 1, 1]``.
        h_scale, h_zero_point: quantisation of ``h``.
        mix_in_scale, mix_in_zero_point: quantisation of ``d``, which ``mix`` multiplies.
        gate_h_scale, gate_h_zero_point: quantisation of ``gate_h``.
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


def _scale(name: str, of: str) -> OpSchema.Attribute:
    return OpSchema.Attribute(
        name, OpSchema.AttrType.FLOAT, f"Distance of two levels of {of}.", required=True
    )


def _zero_point(name: str, of: str) -> OpSchema.Attribute:
    return OpSchema.Attribute(
        name, OpSchema.AttrType.INT, f"Level of {of} that is 0.0, 0 to 255.", required=True
    )


def _scales(name: str, of: str, size: str) -> OpSchema.Attribute:
    description = f"[{size}]: distance of two levels of each channel's {of}."
    return OpSchema.Attribute(name, OpSchema.AttrType.FLOATS, description, required=True)


INT8_INPUTS = ("weight", "mix", "gate_weight")
"""Inputs that are int8; the others are float32."""

SCHEMA = OpSchema(
    NAME,
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter(
            parameter.name, "tensor(int8)" if parameter.name in INT8_INPUTS else "T", parameter.description
        )
        for parameter in gated_predicted_conv.SCHEMA.inputs
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, O, H, W].")],
    type_constraints=[("T", ["tensor(float)"], "Floating point.")],
    attributes=[
        _scale("h_scale", "h"),
        _zero_point("h_zero_point", "h"),
        _scales("weight_scale", "weight", "C"),
        _scale("mix_in_scale", "the conditional convolution's result"),
        _zero_point("mix_in_zero_point", "the conditional convolution's result"),
        _scales("mix_scale", "mix", "O"),
        _scale("gate_h_scale", "gate_h"),
        _zero_point("gate_h_zero_point", "gate_h"),
        _scales("gate_weight_scale", "gate_weight", "O"),
        OpSchema.Attribute(
            "alpha",
            onnx.helper.make_attribute("alpha", gated_predicted_conv.ALPHA),
            "Slope of the leaky ReLU, 0.2 by default.",
        ),
    ],
)


def function_body() -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators and `QuantizedPredictedConv`.

    A file that is to run without our library carries the bodies of `QuantizedPredictedConv` and
    `PredictedConv`, with scale and shift, too.
    """
    predictor = ", ".join(
        f"{name}: {kind} = @{name}"
        for name, kind in (("h_scale", "float"), ("h_zero_point", "int"), ("weight_scale", "floats"))
    )
    return parse_function(
        NAME,
        [parameter.name for parameter in SCHEMA.inputs],
        "y",
        [
            f"d = {DOMAIN}.QuantizedPredictedConv <{predictor}> (x, h, weight, bias, scale, shift)",
            *_quantize_nodes("d", "mix_in"),
            *_quantize_nodes("gate_h", "gate_h"),
            *_dequantize_nodes("mix"),
            *_dequantize_nodes("gate_weight"),
            "mixed = Conv(d_quantized, mix_float, mix_bias)",
            "logit = Conv(gate_h_quantized, gate_weight_float, gate_bias)",
            "gate = Sigmoid(logit)",
            "product = Mul(mixed, gate)",
            "active = LeakyRelu <alpha: float = @alpha> (product)",
            "y = Add(residual, active)",
        ],
        attributes=[
            *(name for name in SCHEMA.attributes if name != "alpha"),
            f"alpha: float = {gated_predicted_conv.ALPHA}",
        ],
    )


def _quantize_nodes(value: str, attribute: str) -> list[str]:
    """Nodes that compute ``<value>_quantized`` from ``value``."""
    return [
        f"{value}_step = Constant <value_float: float = @{attribute}_scale> ()",
        f"{value}_zero_int = Constant <value_int: int = @{attribute}_zero_point> ()",
        f"{value}_zero = Cast <to = 2> ({value}_zero_int)",
        f"{value}_levels = QuantizeLinear({value}, {value}_step, {value}_zero)",
        f"{value}_quantized = DequantizeLinear({value}_levels, {value}_step, {value}_zero)",
    ]


def _dequantize_nodes(weight: str) -> list[str]:
    """Nodes that compute ``<weight>_float`` from ``weight``."""
    return [
        f"{weight}_steps = Constant <value_floats: floats = @{weight}_scale> ()",
        f"{weight}_rows = Constant <value_ints = [-1, 1, 1, 1]> ()",
        f"{weight}_by_row = Reshape({weight}_steps, {weight}_rows)",
        f"{weight}_cast = Cast <to = 1> ({weight})",
        f"{weight}_float = Mul({weight}_cast, {weight}_by_row)",
    ]
