"""``SpatiallyVaryingConv``: a depthwise convolution with a different kernel at every pixel.

``y[n,c,i,j] = sum_t w[n, c*k*k + t, i, j] * x^[n, c, i + t//k - k//2, j + t%k - k//2]``, where ``x^`` is
``scale[c] * x + shift[c]`` inside the image (``x`` itself without them) and 0 outside. This is the
conditional convolution of CC-FPSE (arXiv 1910.06809, section 3.1) with the norm before it folded in.
"""

from __future__ import annotations

import onnx
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import AFFINE_PARAMETERS, FLOATING_POINT, parse_function
from layoutrt.operators.operator import FLOATS, Operator, Plugin, Shapes

_SCHEMA = OpSchema(
    "SpatiallyVaryingConv",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("w", "T", "A kernel for every pixel and channel, [N, C*k*k, H, W]."),
        *AFFINE_PARAMETERS,
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, C, H, W].")],
    type_constraints=[FLOATING_POINT],
)


def body_nodes(k: int, with_affine: bool) -> list[str]:
    """Standard-operator nodes that compute ``y`` from ``x``, ``w`` (and ``scale``, ``shift``)."""
    p = k // 2
    nodes = ["axes = Constant <value_ints = [1, 2]> ()"]
    if with_affine:
        nodes += [
            "scale_c11 = Unsqueeze(scale, axes)",
            "shift_c11 = Unsqueeze(shift, axes)",
            "scaled = Mul(x, scale_c11)",
            "source = Add(scaled, shift_c11)",
        ]
    else:
        nodes += ["source = Identity(x)"]
    nodes += [
        # As a tensor: of a list, ONNX Runtime up to 1.24 does not infer that it has one dimension.
        f"pads = Constant <value = int64[8] {{0, 0, {p}, {p}, 0, 0, {p}, {p}}}> ()",
        "padded = Pad(source, pads)",
        "channels = Shape <start = 0, end = 2> (x)",
        "size = Shape <start = 2, end = 4> (x)",
        f"tap_count = Constant <value_ints = [{k * k}]> ()",
        "kernel_shape = Concat <axis = 0> (channels, tap_count, size)",
        "kernels = Reshape(w, kernel_shape)",
        "spatial = Constant <value_ints = [2, 3]> ()",
    ]
    for t in range(k * k):
        nodes += [
            f"start_{t} = Constant <value_ints = [{t // k}, {t % k}]> ()",
            f"end_{t} = Add(start_{t}, size)",
            f"window_{t} = Slice(padded, start_{t}, end_{t}, spatial)",
            f"index_{t} = Constant <value_int = {t}> ()",
            f"kernel_{t} = Gather <axis = 2> (kernels, index_{t})",
            f"product_{t} = Mul(window_{t}, kernel_{t})",
        ]
    nodes += [f"y = Sum({', '.join(f'product_{t}' for t in range(k * k))})"]
    return nodes


def _body(k: int = 3, with_affine: bool = True) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators, for files with kernel size ``k``.

    A file carries one body per operator, so all its nodes have ``scale`` and ``shift`` or none has.
    """
    inputs = ["x", "w", "scale", "shift"] if with_affine else ["x", "w"]
    return parse_function(_SCHEMA.name, inputs, "y", body_nodes(k, with_affine))


def _flops(node: onnx.NodeProto, shapes: Shapes) -> int:
    batch, _, height, width = shapes[node.input[0]]
    return 2 * batch * height * width * shapes[node.input[1]][1]


SPATIALLY_VARYING_CONV = Operator(schema=_SCHEMA, body=_body, flops=_flops, plugin=Plugin((FLOATS, FLOATS)))
