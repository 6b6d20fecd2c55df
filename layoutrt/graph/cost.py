"""Node count, arithmetic and memory traffic of an ONNX graph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
import onnx.inliner

from layoutrt.graph.shapes import Tensors, tensor_types
from layoutrt.operators import operator_of, operators


@dataclass(frozen=True)
class Cost:
    """Cost of one run at batch 1."""

    nodes: int
    """Nodes of the graph, operators of ours counted as one, bodies of other functions inlined."""
    flops: int
    """Multiplications and additions, counted separately, of convolutions and matrix products."""
    parameters: int
    """Elements of the weights."""


@dataclass(frozen=True)
class NodeCost:
    """Cost of one node in one run at batch 1."""

    name: str
    operator: str
    flops: int
    """Floating-point operations, as in `Cost`."""
    weight_bytes: int
    """Bytes of its inputs that are weights."""
    read_bytes: int
    """Bytes of its inputs that other nodes, or the caller, made."""
    written_bytes: int
    """Bytes of its outputs."""
    inputs: tuple[str, ...]
    """Tensors that are no weights."""
    weights: tuple[str, ...]
    """Tensors that are weights."""
    outputs: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Bytes that the node moves if nothing of it is in a cache."""
        return self.weight_bytes + self.read_bytes + self.written_bytes


def graph_cost(model: onnx.ModelProto, size: tuple[int, int]) -> Cost:
    """Cost of a graph at ``size`` (height, width).

    Open dimensions take batch 1 and that size. Element-wise operators are left out of the arithmetic:
    they are bound by memory and below a hundredth of it.
    """
    tensors = tensor_types(model, size)
    flops = sum(_flops(node, tensors) for node in model.graph.node)
    others = [function for function in model.functions if function.name not in operators()]
    counted = onnx.inliner.inline_local_functions(model) if others else model
    parameters = sum(math.prod(tensor.dims) for tensor in model.graph.initializer if tensor.dims)
    return Cost(len(counted.graph.node), flops, parameters)


def node_costs(model: onnx.ModelProto, size: tuple[int, int]) -> list[NodeCost]:
    """Cost of each node at batch 1 and ``size`` (height, width), in the graph's order.

    A weight that is dequantized first counts with the node that uses it, in its 8 bits; the nodes that
    dequantize weights are left out, because every runtime folds them.
    """
    tensors = tensor_types(model, size)
    stored = {tensor.name: tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
            continue
        given = [name for name in node.input if name]
        weights = tuple(stored[name] for name in given if name in stored)
        inputs = tuple(name for name in given if name not in stored)
        found.append(
            NodeCost(
                node.name or node.output[0],
                node.op_type,
                _flops(node, tensors),
                sum(tensors[name].bytes for name in weights),
                sum(tensors[name].bytes for name in inputs),
                sum(tensors[name].bytes for name in node.output if name in tensors),
                inputs,
                weights,
                tuple(node.output),
            )
        )
    return found


def _flops(node: onnx.NodeProto, tensors: Tensors) -> int:
    shape = {name: tensors[name].shape for name in (*node.input, *node.output) if name in tensors}
    if node.op_type == "Conv":
        return 2 * math.prod(shape[node.output[0]]) * math.prod(shape[node.input[1]][1:])
    if node.op_type in ("Gemm", "MatMul"):
        first = shape[node.input[0]]
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return 2 * math.prod(shape[node.output[0]]) * first[0 if transposed else -1]
    operator = operator_of(node)
    return operator.flops(node, shape) if operator else 0
