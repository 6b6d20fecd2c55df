"""Shapes and element types of the tensors of a graph that has operators of ours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
import onnx.shape_inference
from onnx import TensorProto

from layoutrt.operators import DOMAIN


@dataclass(frozen=True)
class TensorType:
    """What one tensor is."""

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
    constants = [onnx.helper.make_tensor("stand_in_axis", TensorProto.INT64, [1], [1])]

    def weight(name: str, *shape: int) -> str:
        zeros = bytes(4 * math.prod(shape))
        constants.append(onnx.helper.make_tensor(name, TensorProto.FLOAT, shape, zeros, raw=True))
        return name

    for node in copy.graph.node:
        if node.domain != DOMAIN:
            nodes.append(node)
        elif node.op_type == "LayoutConv":
            _, taps, channels = dims[node.input[1]]
            k, y = math.isqrt(taps), node.output[0]
            nodes += [
                onnx.helper.make_node("Cast", [node.input[0]], [f"{y}_f"], to=TensorProto.FLOAT),
                onnx.helper.make_node("Unsqueeze", [f"{y}_f", "stand_in_axis"], [f"{y}_x"]),
                onnx.helper.make_node(
                    "Conv",
                    [f"{y}_x", weight(f"{y}_w", channels, 1, k, k)],
                    [y],
                    pads=[k // 2] * 4,
                    strides=_strides(node),
                ),
            ]
        elif node.op_type == "GatedPredictedConv":
            nodes.append(onnx.helper.make_node("Conv", [node.input[0], node.input[6]], [node.output[0]]))
        elif node.op_type == "QuantizedGatedPredictedConv":
            # Its own weights are 8-bit, which a float convolution does not take.
            mix = weight(f"{node.output[0]}_w", *dims[node.input[6]])
            nodes.append(onnx.helper.make_node("Conv", [node.input[0], mix], [node.output[0]]))
        elif node.op_type == "ConvToImage":
            x, last, _, *y = node.input
            (image,) = node.output
            nodes += [
                onnx.helper.make_node("Concat", [x, *y], [f"{image}_x"], axis=1),
                onnx.helper.make_node("Conv", [f"{image}_x", last], [f"{image}_y"], pads=[1] * 4),
                onnx.helper.make_node("Cast", [f"{image}_y"], [f"{image}_c"], to=TensorProto.UINT8),
                onnx.helper.make_node("Transpose", [f"{image}_c"], [image], perm=[0, 2, 3, 1]),
            ]
        else:
            nodes.append(onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]]))
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    copy.graph.initializer.extend(constants)
    return copy


def _strides(node: onnx.NodeProto) -> list[int]:
    return next(list(attribute.ints) for attribute in node.attribute if attribute.name == "strides")
