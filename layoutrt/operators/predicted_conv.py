"""``PredictedConv``: predict a kernel for every pixel and apply it, without storing the kernels.

``PredictedConv(x, h, weight, bias, scale, shift)`` equals
``SpatiallyVaryingConv(x, Conv(h, weight, bias), scale, shift)``, the convolution padded with ``p//2`` zeros.
The predicted kernels of one layer of the paper's generator take 151 MB at 256x256 in float32; native kernels
compute a strip of them in registers, use it and drop it.
"""

from __future__ import annotations

import math

import onnx
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import AFFINE_PARAMETERS, FLOATING_POINT, parse_function
from layoutrt.operators.operator import FLOATS, Operator, Plugin, Shapes
from layoutrt.operators.spatially_varying_conv import body_nodes

_SCHEMA = OpSchema(
    "PredictedConv",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("h", "T", "Features that the kernels are predicted from, [N, J, H, W]."),
        OpSchema.FormalParameter("weight", "T", "Weight of the predictor, [C*k*k, J, p, p]."),
        OpSchema.FormalParameter("bias", "T", "Bias of the predictor, [C*k*k]."),
        *AFFINE_PARAMETERS,
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, C, H, W].")],
    type_constraints=[FLOATING_POINT],
)


def _body(k: int = 3, p: int = 3, with_affine: bool = True) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators, for files with these kernel sizes."""
    pad = p // 2
    inputs = ["x", "h", "weight", "bias"] + (["scale", "shift"] if with_affine else [])
    return parse_function(
        _SCHEMA.name,
        inputs,
        "y",
        [
            f"w = Conv <pads = [{pad}, {pad}, {pad}, {pad}]> (h, weight, bias)",
            *body_nodes(k, with_affine),
        ],
    )


def predictor_flops(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Predicting the kernels and applying them, for every operator that does as its first inputs say."""
    batch, _, height, width = shapes[node.input[0]]
    outputs, *inner = shapes[node.input[2]]
    return 2 * batch * height * width * outputs * (math.prod(inner) + 1)


PREDICTED_CONV = Operator(
    schema=_SCHEMA,
    body=_body,
    flops=predictor_flops,
    weights=(2,),
    quantized="QuantizedPredictedConv",
    plugin=Plugin((FLOATS, FLOATS, FLOATS), ohwi_weight=True),
)
