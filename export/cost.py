"""Node count and arithmetic of an ONNX graph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
import onnx.inliner
import onnx.shape_inference

from layoutrt.operators import DOMAIN

Shapes = dict[str, list[int]]


@dataclass(frozen=True)
class Cost:
    """Of one run at batch 1."""

    nodes: int
    """Nodes of the graph, operators of ours counted as one, bodies of other functions inlined."""
    flops: int
    """Multiplications and additions, counted separately, of convolutions and matrix products."""
    parameters: int
    """Elements of the weights."""


def graph_cost(model: onnx.ModelProto, size: tuple[int, int]) -> Cost:
    """Cost of a generator's graph at ``size`` (height, width).

    Open dimensions take batch 1 and that size. Element-wise operators are left out of the arithmetic:
    they are bound by memory and below a hundredth of it.
    """
    shapes = _shapes(model, size)
    flops = sum(_flops(node, shapes) for node in model.graph.node)
    ours = {"ConvToImage", "GatedPredictedConv", "LayoutConv", "PredictedConv", "SpatiallyVaryingConv"}
    others = [function for function in model.functions if function.name not in ours]
    counted = onnx.inliner.inline_local_functions(model) if others else model
    parameters = sum(math.prod(tensor.dims) for tensor in model.graph.initializer if tensor.dims)
    return Cost(len(counted.graph.node), flops, parameters)


def _shapes(model: onnx.ModelProto, size: tuple[int, int]) -> Shapes:
    fixed = _with_stand_ins(model)
    values = dict(zip(("N", "H", "W"), (1, *size), strict=True))
    for value in (*fixed.graph.input, *fixed.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in values:
                dim.dim_value = values[dim.dim_param]
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True, strict_mode=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    return shapes


def _with_stand_ins(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose nodes of ours are standard nodes of the same shapes, which ONNX can infer."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.functions[:]
    dims = {tensor.name: list(tensor.dims) for tensor in copy.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = [
        onnx.helper.make_tensor("stand_in_axis", onnx.TensorProto.INT64, [1], [1])
    ]
    for node in copy.graph.node:
        if node.domain != DOMAIN:
            nodes.append(node)
        elif node.op_type == "LayoutConv":
            _, taps, channels = dims[node.input[1]]
            k, y = math.isqrt(taps), node.output[0]
            weight = onnx.helper.make_tensor(
                f"{y}_w", onnx.TensorProto.FLOAT, [channels, 1, k, k], [0.0] * (channels * taps)
            )
            constants.append(weight)
            nodes += [
                onnx.helper.make_node("Cast", [node.input[0]], [f"{y}_f"], to=onnx.TensorProto.FLOAT),
                onnx.helper.make_node("Unsqueeze", [f"{y}_f", "stand_in_axis"], [f"{y}_x"]),
                onnx.helper.make_node(
                    "Conv", [f"{y}_x", weight.name], [y], pads=[k // 2] * 4, strides=_strides(node)
                ),
            ]
        elif node.op_type == "GatedPredictedConv":
            x, mix = node.input[0], node.input[6]
            nodes.append(onnx.helper.make_node("Conv", [x, mix], [node.output[0]]))
        elif node.op_type == "ConvToImage":
            x, weight, _, *y = node.input
            (image,) = node.output
            nodes += [
                onnx.helper.make_node("Concat", [x, *y], [f"{image}_x"], axis=1),
                onnx.helper.make_node("Conv", [f"{image}_x", weight], [f"{image}_y"], pads=[1] * 4),
                onnx.helper.make_node("Cast", [f"{image}_y"], [f"{image}_c"], to=onnx.TensorProto.UINT8),
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


def _flops(node: onnx.NodeProto, shapes: Shapes) -> int:
    if node.op_type == "Conv":
        weight = shapes[node.input[1]]
        return 2 * math.prod(shapes[node.output[0]]) * math.prod(weight[1:])
    if node.op_type in ("Gemm", "MatMul"):
        first = shapes[node.input[0]]
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return 2 * math.prod(shapes[node.output[0]]) * first[0 if transposed else -1]
    if node.domain != DOMAIN:
        return 0
    if node.op_type == "LayoutConv":
        # One row of the table is added per tap.
        return math.prod(shapes[node.output[0]]) * shapes[node.input[1]][1]
    batch, _, height, width = shapes[node.input[0]]
    pixels = batch * height * width
    if node.op_type == "ConvToImage":
        return 2 * pixels * math.prod(shapes[node.input[1]])
    if node.op_type == "SpatiallyVaryingConv":
        return 2 * pixels * shapes[node.input[1]][1]
    outputs, *inner = shapes[node.input[2]]
    flops = 2 * pixels * outputs * (math.prod(inner) + 1)
    if node.op_type == "GatedPredictedConv":
        mix, gate = (math.prod(shapes[node.input[index]]) for index in (6, 9))
        flops += 2 * pixels * (mix + gate)
    return flops
