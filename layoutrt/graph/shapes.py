"""Shapes and element types of the tensors of a graph that has operators of ours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
import onnx.shape_inference
from onnx import TensorProto

from layoutrt.operators import operator_of


@dataclass(frozen=True)
class TensorType:
    """Element type and shape of one tensor."""

    shape: tuple[int, ...]
    element: int
    """Number of the type in ``TensorProto.DataType``; 0 where it is unknown."""

    @property
    def bytes(self) -> int:
        """Size of all elements; packed types of fewer than 8 bits count as a byte."""
        if self.element == TensorProto.UNDEFINED:
            return 0
        return math.prod(self.shape) * onnx.helper.tensor_dtype_to_np_dtype(self.element).itemsize


Tensors = dict[str, TensorType]


def tensor_types(model: onnx.ModelProto, size: tuple[int, int]) -> Tensors:
    """Types of all tensors at batch 1, by name.

    Args:
        model: its weights may lie in another file.
        size: (height, width) that open dimensions called H and W take.

    Raises:
        onnx.shape_inference.InferenceError: the graph contradicts itself.
    """
    fixed = _with_stand_ins(model)
    values = dict(zip(("N", "H", "W"), (1, *size), strict=True))
    for value in (*fixed.graph.input, *fixed.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in values:
                dim.dim_value = values[dim.dim_param]
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True, strict_mode=True).graph
    types = {tensor.name: TensorType(tuple(tensor.dims), tensor.data_type) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        tensor = value.type.tensor_type
        types[value.name] = TensorType(tuple(dim.dim_value for dim in tensor.shape.dim), tensor.elem_type)
    return types


def _with_stand_ins(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose nodes of ours are standard nodes of the same shapes, which ONNX can infer."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.functions[:]
    dims = {tensor.name: list(tensor.dims) for tensor in copy.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        operator = operator_of(node)
        if operator is None:
            nodes.append(node)
            continue
        stand_ins, constants = operator.stand_in(node, dims)
        nodes += stand_ins
        copy.graph.initializer.extend(constants)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy
