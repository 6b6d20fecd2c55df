"""``LayoutConv``: the convolution of a one-hot layout, as table look-ups.

``LayoutConv(labels, table, bias)`` equals ``Conv(OneHot(labels), weight, bias)`` with zero padding ``k//2``,
where ``table[l, t, c] = weight[c, l, t//k, t%k]``; a label >= L contributes nothing. The one-hot tensor never
exists: at 256x256 with 184 classes it would take 48 MB.
"""

from __future__ import annotations

import math

import onnx
from onnx import TensorProto, helper
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import FLOATING_POINT, parse_function
from layoutrt.operators.operator import FLOATS, Operator, Plugin, Shapes, StandIn, type_of_input, zeros

_SCHEMA = OpSchema(
    "LayoutConv",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("labels", "tensor(uint8)", "Class indices, [N, H, W]."),
        OpSchema.FormalParameter("table", "T", "[L, k*k, C]: a row of channels for each label and tap."),
        OpSchema.FormalParameter("bias", "T", "[C]."),
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "[N, C, ceil(H/s), ceil(W/s)].")],
    type_constraints=[FLOATING_POINT],
    attributes=[
        OpSchema.Attribute("strides", OpSchema.AttrType.INTS, "[s, s] with s = 1 or 2.", required=True)
    ],
)


def _body(k: int = 3) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators, for files with kernel size ``k``."""
    p = k // 2
    return parse_function(
        _SCHEMA.name,
        ["labels", "table", "bias"],
        "y",
        [
            "index = Cast <to = 7> (labels)",
            "depth = Shape <start = 0, end = 1> (table)",
            "off_on_int = Constant <value_ints = [0, 1]> ()",
            "off_on = CastLike(off_on_int, table)",
            "one_hot = OneHot <axis = 1> (index, depth, off_on)",
            "by_channel = Transpose <perm = [2, 0, 1]> (table)",
            f"kernel_shape = Constant <value_ints = [0, 0, {k}, {k}]> ()",
            "weight = Reshape(by_channel, kernel_shape)",
            f"y = Conv <pads = [{p}, {p}, {p}, {p}], strides: ints = @strides> (one_hot, weight, bias)",
        ],
        attributes=["strides"],
    )


def _flops(node: onnx.NodeProto, shapes: Shapes) -> int:
    # One row of the table is added per tap.
    return math.prod(shapes[node.output[0]]) * shapes[node.input[1]][1]


def _stand_in(node: onnx.NodeProto, weights: Shapes) -> StandIn:
    _, taps, channels = weights[node.input[1]]
    k, (y,) = math.isqrt(taps), node.output
    strides = next(list(attribute.ints) for attribute in node.attribute if attribute.name == "strides")
    axis = helper.make_tensor(f"{y}_axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Cast", [node.input[0]], [f"{y}_f"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", [f"{y}_f", axis.name], [f"{y}_x"]),
        helper.make_node("Conv", [f"{y}_x", f"{y}_w"], [y], pads=[k // 2] * 4, strides=strides),
    ]
    return nodes, [axis, zeros(f"{y}_w", channels, 1, k, k)]


LAYOUT_CONV = Operator(
    schema=_SCHEMA,
    body=_body,
    flops=_flops,
    stand_in=_stand_in,
    element_type=type_of_input(1),
    plugin=Plugin((frozenset({int(TensorProto.INT32)}), FLOATS)),
)
