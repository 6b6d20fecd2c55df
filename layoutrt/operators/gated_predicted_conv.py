"""``GatedPredictedConv``: a conditional convolution with its gated 1x1 convolution, in one operator.

With ``d = PredictedConv(x, h, weight, bias, scale, shift)`` for 3x3 kernels that a 1x1 convolution predicts::

    y = residual + leaky_relu((mix * d + mix_bias) * sigmoid(gate_weight * gate_h + gate_bias), alpha)

which is half of a block of the generator (paper, section 3.1). Native kernels compute all of it for a few
pixels at a time: neither ``d`` nor the gate is stored.
"""

from __future__ import annotations

import math

import onnx
from onnx import helper
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import FLOATING_POINT, parse_function
from layoutrt.operators.operator import Operator, Shapes, StandIn
from layoutrt.operators.predicted_conv import PREDICTED_CONV, predictor_flops

ALPHA = 0.2
"""Default slope of the leaky ReLU."""

_SCHEMA = OpSchema(
    "GatedPredictedConv",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter(name, "T", description)
        for name, description in (
            ("x", "Input, [N, C, H, W]."),
            ("h", "Features that the kernels are predicted from, [N, J, H, W]."),
            ("weight", "Weight of the predictor, [C*9, J, 1, 1]."),
            ("bias", "Bias of the predictor, [C*9]."),
            ("scale", "Scale of x, [C]."),
            ("shift", "Shift of x, [C]."),
            ("mix", "Weight of the 1x1 convolution, [O, C, 1, 1]."),
            ("mix_bias", "Bias of the 1x1 convolution, [O]."),
            ("gate_h", "Features that the gate is predicted from, [N, G, H, W]."),
            ("gate_weight", "Weight of the gate, [O, G, 1, 1]."),
            ("gate_bias", "Bias of the gate, [O]."),
            ("residual", "What is added, [N, O, H, W], or [1, 1, 1, 1]: a number added everywhere."),
        )
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, O, H, W].")],
    type_constraints=[FLOATING_POINT],
    attributes=[
        OpSchema.Attribute(
            "alpha", helper.make_attribute("alpha", ALPHA), "Slope of the leaky ReLU, 0.2 by default."
        )
    ],
)


def _body() -> onnx.FunctionProto:
    """The operator as an ONNX function of `PredictedConv` and standard operators.

    A file that carries it must carry the body of `PredictedConv`, with scale and shift, as well.
    """
    return parse_function(
        _SCHEMA.name,
        [parameter.name for parameter in _SCHEMA.inputs],
        "y",
        [
            "d = layoutrt.PredictedConv(x, h, weight, bias, scale, shift)",
            "mixed = Conv(d, mix, mix_bias)",
            "logit = Conv(gate_h, gate_weight, gate_bias)",
            "gate = Sigmoid(logit)",
            "product = Mul(mixed, gate)",
            "active = LeakyRelu <alpha: float = @alpha> (product)",
            "y = Add(residual, active)",
        ],
        attributes=["alpha: float = 0.2"],
    )


def gated_flops(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Those of the predicted convolution, the mixing one and the gate."""
    batch, _, height, width = shapes[node.input[0]]
    mix, gate = (math.prod(shapes[node.input[place]]) for place in (6, 9))
    return predictor_flops(node, shapes) + 2 * batch * height * width * (mix + gate)


def _stand_in(node: onnx.NodeProto, weights: Shapes) -> StandIn:
    return [helper.make_node("Conv", [node.input[0], node.input[6]], [node.output[0]])], []


GATED_PREDICTED_CONV = Operator(
    schema=_SCHEMA,
    body=_body,
    flops=gated_flops,
    stand_in=_stand_in,
    weights=(2, 6, 9),
    calls=(PREDICTED_CONV.name,),
    quantized="QuantizedGatedPredictedConv",
)
