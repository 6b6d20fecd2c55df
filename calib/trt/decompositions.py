"""`GatedPredictedConv` and `ConvToImage` as the parts they are made of.

The parts of a node ``n`` are called ``n/part``, their tensors after its output.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.observe.intermediate_outputs import applied_kernels
from layoutrt.operators import DOMAIN, plugins
from layoutrt.operators.gated_predicted_conv import ALPHA
from layoutrt.operators.predicted_conv import PREDICTED_CONV

IMAGE_CONV = "image_conv"
"""Part of `ConvToImage` that is its convolution."""


def origin(node: onnx.NodeProto) -> str:
    """Name of the exported graph's node that a node of the lowered graph is a part of; "" for no part."""
    return node.name.rpartition("/")[0]


def gated_predicted_conv(node: onnx.NodeProto, *, adds: bool) -> list[onnx.NodeProto]:
    """The parts of a `GatedPredictedConv`.

    What goes from the conditional to the mixing convolution is called `applied_kernels`, as its range is.

    Args:
        node: node of the exported graph.
        adds: true if a residual is added in the end; otherwise the residual is 0.
    """
    (y,) = node.output
    *predictor, mix, mix_bias, gate_h, gate, gate_bias, residual = node.input
    alpha = next((attribute.f for attribute in node.attribute if attribute.name == "alpha"), ALPHA)
    applied, active = applied_kernels(node), f"{y}_active" if adds else y
    pointwise = {"kernel_shape": [1, 1], "pads": [0, 0, 0, 0], "strides": [1, 1]}
    parts = [
        _part(node, "predicted_conv", PREDICTED_CONV.name, predictor, applied, domain=DOMAIN),
        _part(node, "mix", "Conv", [applied, mix, mix_bias], f"{y}_mixed", **pointwise),
        _part(node, "gate_conv", "Conv", [gate_h, gate, gate_bias], f"{y}_gate_logit", **pointwise),
        _part(node, "gate", "Sigmoid", [f"{y}_gate_logit"], f"{y}_gate"),
        _part(node, "product", "Mul", [f"{y}_mixed", f"{y}_gate"], f"{y}_gated"),
        _part(node, "activation", "LeakyRelu", [f"{y}_gated"], active, alpha=alpha),
    ]
    plugins.mark(parts[0])
    if adds:
        parts.append(_part(node, "residual", "Add", [residual, active], y))
    return parts


def conv_to_image(node: onnx.NodeProto) -> tuple[list[onnx.NodeProto], TensorProto, str]:
    """The parts of a `ConvToImage` but for the last cast.

    Returns:
        Nodes, a constant that they read, and the tensor with the image's levels: float ``[N, H, W, 3]``,
        whole numbers 0 to 255.
    """
    (image,) = node.output
    x, weight, bias, *y = node.input
    parts = []
    if y and y[0]:
        parts.append(_part(node, "concat", "Concat", [x, y[0]], f"{image}_features", axis=1))
        x = f"{image}_features"
    half_range = f"{image}_half_range"
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
    parts += [
        _part(node, IMAGE_CONV, "Conv", [x, weight, bias], f"{image}_sum", **window),
        _part(node, "tanh", "Tanh", [f"{image}_sum"], f"{image}_tanh"),
        _part(node, "scale", "Mul", [f"{image}_tanh", half_range], f"{image}_scaled"),
        _part(node, "shift", "Add", [f"{image}_scaled", half_range], f"{image}_shifted"),
        _part(node, "round", "Round", [f"{image}_shifted"], f"{image}_levels"),
        _part(node, "transpose", "Transpose", [f"{image}_levels"], f"{image}_pixels", perm=[0, 2, 3, 1]),
    ]
    return parts, numpy_helper.from_array(np.array(127.5, np.float32), half_range), f"{image}_pixels"


def _part(  # type: ignore[no-untyped-def]
    node: onnx.NodeProto, part: str, operator: str, inputs: Sequence[str], output: str, **attributes
) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], f"{node.name}/{part}", **attributes)
