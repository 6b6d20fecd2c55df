"""The record that defines an operator for everything but its arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto
from onnx.defs import OpSchema

FLOATS = frozenset({int(TensorProto.FLOAT), int(TensorProto.FLOAT16)})
"""Element types that plugins compute in."""

Shapes = Mapping[str, Sequence[int]]
"""Shapes of tensors by name."""
ElementTypes = Mapping[str, int]
"""Element types of tensors by name, of ``onnx.TensorProto``."""
StandIn = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]
"""Standard nodes, and constants that they read."""


@dataclass(frozen=True)
class Plugin:
    """Inputs of an operator's TensorRT plugin.

    Attributes:
        inputs: element types that the first inputs may have, as sets; further ones are float.
        ohwi_weight: true if its weight comes as ``[C*9, p, p, J]``: see `layoutrt.calib.trt.weight_layout`.
    """

    inputs: tuple[frozenset[int], ...]
    ohwi_weight: bool = False

    def takes_indices(self, place: int) -> bool:
        """True for an input of class indices, which TensorRT has no bytes for."""
        return place < len(self.inputs) and TensorProto.INT32 in self.inputs[place]

    def takes_levels(self, place: int) -> bool:
        """True for an activation that may come in float or in the int8 of a `QuantizeLinear`."""
        return place < len(self.inputs) and self.inputs[place] > {TensorProto.INT8}


def type_of_input(place: int) -> Callable[[onnx.NodeProto, ElementTypes], int]:
    """The rule that a result has the element type of an input."""
    return lambda node, types: types[node.input[place]]


type_of_first_input = type_of_input(0)


def always(element_type: int) -> Callable[[onnx.NodeProto, ElementTypes], int]:
    """The rule that a result has one element type."""
    return lambda node, types: element_type


def like_first_input(node: onnx.NodeProto, weights: Shapes) -> StandIn:
    """The stand-in of an operator whose result has the shape of its first input."""
    return [onnx.helper.make_node("Identity", [node.input[0]], [node.output[0]])], []


def zeros(name: str, *shape: int) -> onnx.TensorProto:
    """A float32 constant of zeros, for a stand-in."""
    return onnx.helper.make_tensor(name, TensorProto.FLOAT, shape, bytes(4 * math.prod(shape)), raw=True)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator of the domain ``layoutrt``, as exporters, calibration and cost models read it.

    Attributes:
        schema: its ONNX schema: name, inputs, outputs, attributes and their types.
        body: makes its ONNX function of standard operators and of those that it `calls`; its arguments are
            what a file fixes, such as the kernel size.
        flops: multiplications and additions of a node, of the shapes of what it reads and writes.
        stand_in: standard nodes whose result has the same shape, for ONNX's shape inference, of the shapes of
            the constants.
        element_type: element type of a node's result, of the types of what it reads.
        weights: places of the inputs that are multiplied, and quantized in an 8-bit model.
        calls: names of the operators that its body is made of.
        quantized: name of the operator that computes it in 8 bits; "" for none.
        plugin: inputs of its TensorRT plugin; None without a plugin.
        custom_op: true if ``torch.ops.layoutrt`` has it; the 8-bit operators are for inference in ONNX alone.
    """

    schema: OpSchema
    body: Callable[..., onnx.FunctionProto]
    flops: Callable[[onnx.NodeProto, Shapes], int]
    stand_in: Callable[[onnx.NodeProto, Shapes], StandIn] = like_first_input
    element_type: Callable[[onnx.NodeProto, ElementTypes], int] = type_of_first_input
    weights: tuple[int, ...] = ()
    calls: tuple[str, ...] = ()
    quantized: str = ""
    plugin: Plugin | None = None
    custom_op: bool = True

    @property
    def name(self) -> str:
        """Name of the operator, the ``op_type`` of its nodes."""
        return str(self.schema.name)
