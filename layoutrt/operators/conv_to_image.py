"""``ConvToImage``: the last convolution of a generator, straight to RGB bytes.

With ``f`` the channels of ``x``, followed by those of ``y`` where it is given::

    image = round_half_even(tanh(Conv(f, weight, bias)) * 127.5 + 127.5)

for a 3x3 kernel with zero padding of 1, in bytes, pixel after pixel. The float image is never stored.
"""

from __future__ import annotations

import math

import onnx
from onnx import TensorProto, helper
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import FLOATING_POINT, parse_function
from layoutrt.operators.operator import Operator, Shapes, StandIn, always

_SCHEMA = OpSchema(
    "ConvToImage",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("weight", "T", "Weight of the convolution, [3, C + D, 3, 3]."),
        OpSchema.FormalParameter("bias", "T", "Bias of the convolution, [3]."),
        OpSchema.FormalParameter(
            "y",
            "T",
            "Further channels, [N, D, H, W].",
            param_option=OpSchema.FormalParameterOption.Optional,
        ),
    ],
    outputs=[OpSchema.FormalParameter("image", "tensor(uint8)", "RGB, [N, H, W, 3].")],
    type_constraints=[FLOATING_POINT],
)


def _body(with_y: bool = True) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators.

    Args:
        with_y: true if the nodes of the file give ``y``.
    """
    features = "features = Concat <axis = 1> (x, y)" if with_y else "features = Identity(x)"
    return parse_function(
        _SCHEMA.name,
        ["x", "weight", "bias", *(["y"] if with_y else [])],
        "image",
        [
            features,
            "sum = Conv <pads = [1, 1, 1, 1]> (features, weight, bias)",
            "tanh = Tanh(sum)",
            "half_float = Constant <value_float = 127.5> ()",
            "half = CastLike(half_float, tanh)",
            "scaled = Mul(tanh, half)",
            "shifted = Add(scaled, half)",
            "rounded = Round(shifted)",
            "levels = Cast <to = 2> (rounded)",
            "image = Transpose <perm = [0, 2, 3, 1]> (levels)",
        ],
    )


def _flops(node: onnx.NodeProto, shapes: Shapes) -> int:
    batch, _, height, width = shapes[node.input[0]]
    return 2 * batch * height * width * math.prod(shapes[node.input[1]])


def _stand_in(node: onnx.NodeProto, weights: Shapes) -> StandIn:
    x, weight, _, *y = node.input
    (image,) = node.output
    return [
        helper.make_node("Concat", [x, *y], [f"{image}_x"], axis=1),
        helper.make_node("Conv", [f"{image}_x", weight], [f"{image}_y"], pads=[1] * 4),
        helper.make_node("Cast", [f"{image}_y"], [f"{image}_c"], to=TensorProto.UINT8),
        helper.make_node("Transpose", [f"{image}_c"], [image], perm=[0, 2, 3, 1]),
    ], []


CONV_TO_IMAGE = Operator(
    schema=_SCHEMA,
    body=_body,
    flops=_flops,
    stand_in=_stand_in,
    element_type=always(TensorProto.UINT8),
    weights=(1,),
)
