"""``QuantizedGatedPredictedConv``: `GatedPredictedConv` whose three products are of 8-bit integers.

``h``, the conditional convolution's result ``d`` and ``gate_h`` are quantized inside the operator, each with
a scale and a zero point of its own, as `quantized_predicted_conv.quantize` does; ``weight``, ``mix`` and
``gate_weight`` are int8 with a scale for each channel that they lead to (one for the nine taps of a predicted
kernel). Products are added up in int32 without error; everything else is in floating point.
"""

from __future__ import annotations

import onnx
from onnx import helper
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.gated_predicted_conv import ALPHA, GATED_PREDICTED_CONV, gated_flops
from layoutrt.operators.onnx_text import parse_function
from layoutrt.operators.operator import Operator, Shapes, StandIn, zeros
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.quantized_predicted_conv import QUANTIZED_PREDICTED_CONV


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

_SCHEMA = OpSchema(
    "QuantizedGatedPredictedConv",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter(
            parameter.name, "tensor(int8)" if parameter.name in INT8_INPUTS else "T", parameter.description
        )
        for parameter in GATED_PREDICTED_CONV.schema.inputs
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
            helper.make_attribute("alpha", ALPHA),
            "Slope of the leaky ReLU, 0.2 by default.",
        ),
    ],
)


def _body() -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators and `QuantizedPredictedConv`.

    A file that is to run without our library carries the bodies of `QuantizedPredictedConv` and
    `PredictedConv`, with scale and shift, too.
    """
    predictor = ", ".join(
        f"{name}: {kind} = @{name}"
        for name, kind in (("h_scale", "float"), ("h_zero_point", "int"), ("weight_scale", "floats"))
    )
    return parse_function(
        _SCHEMA.name,
        [parameter.name for parameter in _SCHEMA.inputs],
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
            *(name for name in _SCHEMA.attributes if name != "alpha"),
            f"alpha: float = {ALPHA}",
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


def _stand_in(node: onnx.NodeProto, weights: Shapes) -> StandIn:
    # Its own weights are 8-bit, which a float convolution does not take.
    mix = zeros(f"{node.output[0]}_w", *weights[node.input[6]])
    return [helper.make_node("Conv", [node.input[0], mix.name], [node.output[0]])], [mix]


QUANTIZED_GATED_PREDICTED_CONV = Operator(
    schema=_SCHEMA,
    body=_body,
    flops=gated_flops,
    stand_in=_stand_in,
    weights=(2, 6, 9),
    calls=(PREDICTED_CONV.name, QUANTIZED_PREDICTED_CONV.name),
    custom_op=False,
)
