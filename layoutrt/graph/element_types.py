"""Element types of all tensors of a graph, ours included.

ONNX's own shape inference stops at an operator without a schema, which ours are in a file without bodies.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from layoutrt.operators import operator_of

_FIXED = {
    "ArgMax": TensorProto.INT64,
    "ArgMin": TensorProto.INT64,
    "Shape": TensorProto.INT64,
    "Equal": TensorProto.BOOL,
    "Greater": TensorProto.BOOL,
    "Less": TensorProto.BOOL,
    "Not": TensorProto.BOOL,
    "And": TensorProto.BOOL,
    "Or": TensorProto.BOOL,
}
_TYPED_BY_INPUT = {"DequantizeLinear": 1, "Where": 1, "CastLike": 1, "OneHot": 2}
"""Operators whose result has the type of another input than the first."""


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type, of ``onnx.TensorProto``, of every input, constant and result of the graph.

    Args:
        model: its nodes in an order in which they can run.
    """
    graph = model.graph
    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        found = _type(node, types)
        types |= {name: found for name in node.output if name}
    return types


def _type(node: onnx.NodeProto, types: dict[str, int]) -> int:
    operator = operator_of(node)
    if operator:
        return operator.element_type(node, types)
    if node.op_type == "Cast":
        return next(attribute.i for attribute in node.attribute if attribute.name == "to")
    if node.op_type == "Constant":
        value = helper.get_attribute_value(node.attribute[0])
        if isinstance(value, TensorProto):
            return value.data_type
        return TensorProto.FLOAT if node.attribute[0].name.startswith("value_float") else TensorProto.INT64
    if node.op_type == "QuantizeLinear":
        return types[node.input[2]] if len(node.input) > 2 else TensorProto.UINT8
    if node.op_type in _FIXED:
        return _FIXED[node.op_type]
    return types[node.input[_TYPED_BY_INPUT.get(node.op_type, 0)]]
