"""The order of a predictor's weight in TensorRT's files.

The operators define it as ``[C*9, J, p, p]``. A tensor core multiplies by runs of features, so the plugins
read ``[C*9, p, p, J]`` ("OHWI"), which for ``p = 1`` is the same. Weights are constants, so they are put into
that order once, in the file, and not for every image. The attribute `ATTRIBUTE` says that they are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from layoutrt.calib.trt.lowering import drop_unread
from layoutrt.errors import LayoutRTError
from layoutrt.operators.plugins import plugin_of

ATTRIBUTE, OHWI = "weight_layout", "OHWI"

_TO_OHWI, _FROM_OHWI = (0, 2, 3, 1), (0, 3, 1, 2)
_WEIGHT = 2


def is_ohwi(node: onnx.NodeProto) -> bool:
    """True where the weight of a node is in the plugins' order."""
    return any(attribute.name == ATTRIBUTE and attribute.s == OHWI.encode() for attribute in node.attribute)


def to_ohwi(model: onnx.ModelProto) -> onnx.ModelProto:
    """Put the weights of all nodes whose plugin wants it (`Plugin.ohwi_weight`) into the plugins' order.

    Args:
        model: model of `lowering.lower` and what follows it; not changed.

    Raises:
        LayoutRTError: a weight is not a constant.
    """
    reordered = _reordered(model, is_ohwi, _TO_OHWI, "ohwi")
    for node in _predictors(reordered):
        if not is_ohwi(node):
            node.attribute.append(helper.make_attribute(ATTRIBUTE, OHWI))
    return reordered


def from_ohwi(model: onnx.ModelProto) -> onnx.ModelProto:
    """The reverse of `to_ohwi`: the order that the operators define, without the attribute."""
    reordered = _reordered(model, lambda node: not is_ohwi(node), _FROM_OHWI, "oihw")
    for node in _predictors(reordered):
        kept = [attribute for attribute in node.attribute if attribute.name != ATTRIBUTE]
        del node.attribute[:]
        node.attribute.extend(kept)
    return reordered


def _predictors(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    plugins = ((node, plugin_of(node)) for node in model.graph.node)
    return [node for node, plugin in plugins if plugin and plugin.ohwi_weight]


def _reordered(
    model: onnx.ModelProto, is_done: Callable[[onnx.NodeProto], bool], order: tuple[int, ...], suffix: str
) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    constants = {tensor.name: tensor for tensor in copied.graph.initializer}
    for node in _predictors(copied):
        if is_done(node):
            continue
        name = node.input[_WEIGHT]
        if name not in constants:
            raise LayoutRTError(
                f"node {node.name} has a weight that is not a constant; export the model again"
            )
        new = f"{name}_{suffix}"
        if new not in constants:
            turned = np.ascontiguousarray(numpy_helper.to_array(constants[name]).transpose(order))
            constants[new] = numpy_helper.from_array(turned, new)
            copied.graph.initializer.append(constants[new])
        node.input[_WEIGHT] = new
    drop_unread(copied.graph)
    return copied
