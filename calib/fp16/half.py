"""A graph in FP16, with float32 fallback.

Weights, activations and scales of Q/DQ nodes are FP16; `Cast` nodes stand where float32 begins and ends.
What makes float values of something else (`DequantizeLinear`, a `Cast` of integers) makes them in the type
that is read, so no two casts follow each other and every convolution still reads its `DequantizeLinear`.

TensorRT takes the types of a strongly typed network from the graph: no builder flag, no per-layer precision.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.observe.scales import fits_half
from layoutrt.calib.trt.lowering import drop_unread
from layoutrt.errors import LayoutRTError
from layoutrt.graph.element_types import element_types
from layoutrt.operators import DOMAIN

FLOAT, HALF = int(TensorProto.FLOAT), int(TensorProto.FLOAT16)
_SUFFIXES = {FLOAT: "fp32", HALF: "fp16"}
_FLOAT_INPUTS = {"Resize": (1, 2)}
"""Inputs that ONNX wants in float32 whatever the type of the tensor: region and scales."""


def makes_any_float(node: onnx.NodeProto, types: dict[str, int]) -> bool:
    """True for a node that makes float values of integers, in whichever type is read."""
    if node.op_type == "Cast":
        return types[node.output[0]] == FLOAT and types[node.input[0]] not in (FLOAT, HALF)
    return node.op_type == "DequantizeLinear"


def to_half(
    model: onnx.ModelProto, fp32_fallback: Collection[str], *, operators_in_float: bool = False
) -> onnx.ModelProto:
    """The graph in FP16.

    Args:
        model: model of `lowering.lower` or `qdq_insertion.insert_qdq`, in float32, with its weights in it;
            not changed.
        fp32_fallback: names of nodes that compute in float32; `fp32_fallback.fp32_fallback` finds them.
        operators_in_float: our own operators read and write float32, because the CPU kernels take nothing
            else, their weights being FP16 with a cast. TensorRT's plugins take both.

    Returns:
        A model of the same inputs and outputs, types included.

    Raises:
        LayoutRTError: a node outside of the fallback has a constant that FP16 does not hold.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    _Halving(half, fp32_fallback, operators_in_float).run()
    return half


class _Halving:
    def __init__(
        self, model: onnx.ModelProto, fp32_fallback: Collection[str], operators_in_float: bool
    ) -> None:
        self.model = model
        self.fp32_fallback = fp32_fallback
        self.operators_in_float = operators_in_float
        self.types = element_types(model)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.outputs = {value.name for value in model.graph.output}
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.made: dict[str, dict[int, str]] = {}
        """Names under which a float tensor exists, by type."""
        self.makers: dict[str, onnx.NodeProto] = {}
        """Nodes that make a tensor in whichever type is read, added when it is."""

    def run(self) -> None:
        graph = self.model.graph
        for value in graph.input:
            if self.types[value.name] == FLOAT:
                self.made[value.name] = {FLOAT: value.name}
        for exported in list(graph.node):
            node = onnx.NodeProto()
            node.CopyFrom(exported)
            if makes_any_float(node, self.types):
                self.makers[node.output[0]] = node
            else:
                self._node(node, self._precision(node))
        for name in self.outputs:
            if self.types[name] == FLOAT and FLOAT not in self.made[name]:
                self._cast(self.made[name][HALF], name, FLOAT)
        del graph.node[:]
        graph.node.extend(self.nodes)
        kept = [tensor for tensor in graph.initializer if tensor.data_type != FLOAT]
        del graph.initializer[:]
        graph.initializer.extend(kept + self.initializers)
        drop_unread(graph)
        del graph.value_info[:]

    def _precision(self, node: onnx.NodeProto) -> int:
        if node.name in self.fp32_fallback or (self.operators_in_float and node.domain == DOMAIN):
            return FLOAT
        if node.op_type == "Cast":
            # Reads what there is: a conversion to integers is none to another float type first.
            return self._native(node.input[0])
        if node.op_type == "QuantizeLinear":
            scale = numpy_helper.to_array(self.constants[node.input[1]])
            return self._native(node.input[0]) if fits_half(scale) else FLOAT
        return HALF

    def _native(self, name: str) -> int:
        """The type that a float tensor has without a cast."""
        made = self.made.get(name, {})
        return FLOAT if FLOAT in made and HALF not in made else HALF

    def _node(self, node: onnx.NodeProto, precision: int) -> None:
        for place, name in enumerate(node.input):
            if self.types.get(name) == FLOAT:
                wanted = FLOAT if place in _FLOAT_INPUTS.get(node.op_type, ()) else precision
                node.input[place] = self._in(name, wanted, node)
        for place, name in enumerate(node.output):
            if self.types[name] == FLOAT:
                if precision == HALF and name in self.outputs:
                    node.output[place] = f"{name}_{_SUFFIXES[HALF]}"
                self.made[name] = {precision: node.output[place]}
        self.nodes.append(node)

    def _in(self, name: str, precision: int, reader: onnx.NodeProto) -> str:
        """The float tensor in a type, with what it takes to have it there."""
        made = self.made.setdefault(name, {})
        if precision in made:
            return made[precision]
        from_half = precision == FLOAT and name in self.constants and self._has_half_weights(reader)
        if from_half:
            self._in(name, HALF, reader)
        # The first form keeps the name.
        made[precision] = f"{name}_{_SUFFIXES[precision]}" if made else name
        if name in self.constants and not from_half:
            self._constant(name, made[precision], precision, reader)
        elif name in self.makers:
            self._make(self.makers[name], made[precision], precision, reader)
        else:
            (source,) = (form for kind, form in made.items() if kind != precision)
            self._cast(source, made[precision], precision)
        return made[precision]

    def _has_half_weights(self, reader: onnx.NodeProto) -> bool:
        """True for a node that computes in float32 for its kernel's sake, on the numbers that FP16 has."""
        return self.operators_in_float and reader.domain == DOMAIN and reader.name not in self.fp32_fallback

    def _make(self, maker: onnx.NodeProto, name: str, precision: int, reader: onnx.NodeProto) -> None:
        node = onnx.NodeProto()
        node.CopyFrom(maker)
        if name != node.output[0]:
            node.name, node.output[0] = f"{node.name}_{_SUFFIXES[precision]}", name
        if node.op_type == "Cast":
            node.attribute[0].i = precision
        else:
            node.input[1] = self._in(node.input[1], precision, reader)
        self.nodes.append(node)

    def _constant(self, name: str, form: str, precision: int, reader: onnx.NodeProto) -> None:
        array = numpy_helper.to_array(self.constants[name])
        if precision == HALF:
            with np.errstate(over="ignore"):
                halved = array.astype(np.float16)
            vanished = bool(array.any()) and not halved.any()
            if not np.isfinite(halved).all() or vanished:
                raise LayoutRTError(
                    f"FP16 does not hold the constant {name} that node {reader.name} reads; "
                    "add the node to the float32 fallback"
                )
            array = halved
        self.initializers.append(numpy_helper.from_array(array, form))

    def _cast(self, source: str, name: str, precision: int) -> None:
        self.nodes.append(helper.make_node("Cast", [source], [name], f"{name}_cast", to=precision))
