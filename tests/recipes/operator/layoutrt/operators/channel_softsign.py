"""``ChannelSoftsign``: a soft limit with a slope of its own for each channel.

``y[n,c,i,j] = x[n,c,i,j] / (1 + scale[c] * |x[n,c,i,j]|)``.
"""

from __future__ import annotations

import math

import onnx
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import FLOATING_POINT, parse_function
from layoutrt.operators.operator import Operator, Shapes

_SCHEMA = OpSchema(
    "ChannelSoftsign",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("scale", "T", "How soon each channel is limited, [C], at least 0."),
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, C, H, W].")],
    type_constraints=[FLOATING_POINT],
)


def _body() -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators."""
    return parse_function(
        _SCHEMA.name,
        ["x", "scale"],
        "y",
        [
            "axes = Constant <value_ints = [1, 2]> ()",
            "scale_c11 = Unsqueeze(scale, axes)",
            "size = Abs(x)",
            "scaled = Mul(size, scale_c11)",
            "one_float = Constant <value_float = 1.0> ()",
            "one = CastLike(one_float, scaled)",
            "divisor = Add(scaled, one)",
            "y = Div(x, divisor)",
        ],
    )


def _flops(node: onnx.NodeProto, shapes: Shapes) -> int:
    return 3 * math.prod(shapes[node.input[0]])


CHANNEL_SOFTSIGN = Operator(schema=_SCHEMA, body=_body, flops=_flops)
