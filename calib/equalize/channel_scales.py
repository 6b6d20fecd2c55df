"""Groups of channels that may be rescaled together, and the weights that make up for it.

A convolution, a leaky ReLU and a resize are homogeneous: dividing a channel of a tensor by a positive number
and multiplying the weights that read it by the same number leaves a network's output as it is. Tensors that
are added, or made of one another without weights, must be rescaled alike: they form a group.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import onnx

from layoutrt.calib.observe.intermediate_outputs import applied_kernels
from layoutrt.operators.conv_to_image import CONV_TO_IMAGE
from layoutrt.operators.gated_predicted_conv import GATED_PREDICTED_CONV
from layoutrt.operators.layout_conv import LAYOUT_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV

_TAPS = 9


class Weight(NamedTuple):
    """The place of a tensor's channels in a weight."""

    name: str
    axis: int
    repeat: int = 1
    """Consecutive entries of the axis that belong to one channel."""
    divide: bool = False
    """True: the weight makes the tensor, and is divided by its scales; False: it reads the tensor."""


@dataclass
class Group:
    """Tensors that are rescaled alike."""

    tensors: list[str] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    fixed: bool = False
    """True where something reads or makes them that cannot make up for a scale."""


def channel_groups(model: onnx.ModelProto) -> list[Group]:
    """The groups of a float graph that can be rescaled.

    Args:
        model: a generator or segmenter of ``layoutrt export`` in float32.
    """
    return _Grouping(model).groups()


class _Grouping:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.constants = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
        self.parent: dict[str, str] = {}
        self.weights: dict[str, list[Weight]] = {}
        self.fixed: set[str] = set()
        self.sigmoids = {node.output[0] for node in model.graph.node if node.op_type == "Sigmoid"}
        for value in (*model.graph.input, *model.graph.output):
            self.fixed.add(value.name)
        for node in model.graph.node:
            _RULES.get(node.op_type, _Grouping.other)(self, node)
        self._fix_shared_weights(model)

    def groups(self) -> list[Group]:
        found: dict[str, Group] = {}
        for tensor in self.parent:
            group = found.setdefault(self._root(tensor), Group())
            group.tensors.append(tensor)
            group.weights += self.weights.get(tensor, [])
            group.fixed |= tensor in self.fixed
        return [group for group in found.values() if not group.fixed and group.weights]

    def same(self, *tensors: str) -> None:
        """These are rescaled alike."""
        first, *others = (self._root(tensor) for tensor in tensors)
        for other in others:
            self.parent[self._root(other)] = self._root(first)

    def fix(self, *tensors: str) -> None:
        """These keep their scale."""
        for tensor in tensors:
            if tensor and tensor not in self.constants:
                self._root(tensor)
                self.fixed.add(tensor)

    def reads(self, tensor: str, weight: str, axis: int, repeat: int = 1) -> None:
        """A weight multiplies the tensor's channels."""
        self._add(tensor, Weight(weight, axis, repeat))

    def makes(self, tensor: str, weight: str, axis: int = 0, repeat: int = 1) -> None:
        """A weight or bias makes the tensor's channels."""
        if weight:
            self._add(tensor, Weight(weight, axis, repeat, divide=True))

    def _add(self, tensor: str, weight: Weight) -> None:
        self._root(tensor)
        if weight.name in self.constants:
            self.weights.setdefault(tensor, []).append(weight)
        else:
            self.fixed.add(tensor)

    def _root(self, tensor: str) -> str:
        self.parent.setdefault(tensor, tensor)
        while self.parent[tensor] != tensor:
            tensor = self.parent[tensor]
        return tensor

    def _fix_shared_weights(self, model: onnx.ModelProto) -> None:
        """A weight of several nodes would have to suit all of them."""
        readers: dict[str, int] = {}
        for node in model.graph.node:
            for name in node.input:
                readers[name] = readers.get(name, 0) + 1
        for tensor, weights in self.weights.items():
            if any(readers[weight.name] > 1 for weight in weights):
                self.fixed.add(tensor)

    def other(self, node: onnx.NodeProto) -> None:
        """An operator that says nothing of scales."""
        self.fix(*node.input, *node.output)

    def conv(self, node: onnx.NodeProto) -> None:
        """`Conv` of one group."""
        x, weight, *bias = node.input
        if any(attribute.name == "group" and attribute.i != 1 for attribute in node.attribute):
            self.other(node)
            return
        self.reads(x, weight, 1)
        for name in (weight, *bias):
            self.makes(node.output[0], name)

    def layout_conv(self, node: onnx.NodeProto) -> None:
        """`LayoutConv`: its labels have no channels."""
        _, table, bias = node.input
        self.makes(node.output[0], table, 2)
        self.makes(node.output[0], bias)

    def homogeneous(self, node: onnx.NodeProto) -> None:
        """One input, and channels stay apart."""
        self.same(node.input[0], node.output[0])

    def reduce_mean(self, node: onnx.NodeProto) -> None:
        """A mean over the image."""
        keeps = all(attribute.i == 1 for attribute in node.attribute if attribute.name == "keepdims")
        # Of its axes only the number is known here: two, of a tensor with four, are height and width.
        if keeps and len(node.input) == 2 and self.constants.get(node.input[1]) == [2]:
            self.homogeneous(node)
        else:
            self.other(node)

    def add(self, node: onnx.NodeProto) -> None:
        """`Add` of two tensors, either of which may have one pixel."""
        if any(name in self.constants for name in node.input):
            self.other(node)
        else:
            self.same(*node.input, *node.output)

    def mul(self, node: onnx.NodeProto) -> None:
        """A gate: `Mul` by what a sigmoid made."""
        gates = [name for name in node.input if name in self.sigmoids]
        if len(gates) != 1:
            self.other(node)
            return
        self.fix(*gates)
        self.same(*(name for name in node.input if name not in gates), *node.output)

    def predicted_conv(self, node: onnx.NodeProto) -> None:
        """`PredictedConv`; a folded norm makes up for the scale of ``x``."""
        x, h, weight, bias, *affine = node.input
        self.reads(h, weight, 1)
        self._scaled(x, affine, weight, bias)
        for name in (weight, bias):
            self.makes(node.output[0], name, 0, _TAPS)

    def gated_predicted_conv(self, node: onnx.NodeProto) -> None:
        """`GatedPredictedConv`; what it adds has the scale of its output."""
        x, h, weight, bias, scale, _, mix, mix_bias, gate_h, gate_weight, _, residual = node.input
        self.reads(x, scale, 0)
        self.reads(h, weight, 1)
        self.reads(gate_h, gate_weight, 1)
        inner, (y,) = applied_kernels(node), node.output
        for name in (weight, bias):
            self.makes(inner, name, 0, _TAPS)
        self.reads(inner, mix, 1)
        for name in (mix, mix_bias):
            self.makes(y, name)
        if residual not in self.constants:
            self.same(residual, y)

    def conv_to_image(self, node: onnx.NodeProto) -> None:
        """`ConvToImage`; with two inputs, its weight belongs to both in parts."""
        x, weight, _, *y = node.input
        if y:
            self.fix(x, *y)
        else:
            self.reads(x, weight, 1)
        self.fix(node.output[0])

    def _scaled(self, x: str, affine: list[str], weight: str, bias: str) -> None:
        if len(affine) == 2 and affine[0]:
            self.reads(x, affine[0], 0)
        else:
            for name in (weight, bias):
                self.reads(x, name, 0, _TAPS)


_RULES: dict[str, Callable[[_Grouping, onnx.NodeProto], None]] = {
    "Conv": _Grouping.conv,
    "LeakyRelu": _Grouping.homogeneous,
    "Relu": _Grouping.homogeneous,
    "Resize": _Grouping.homogeneous,
    "ReduceMean": _Grouping.reduce_mean,
    "Add": _Grouping.add,
    "Mul": _Grouping.mul,
    LAYOUT_CONV.name: _Grouping.layout_conv,
    PREDICTED_CONV.name: _Grouping.predicted_conv,
    GATED_PREDICTED_CONV.name: _Grouping.gated_predicted_conv,
    CONV_TO_IMAGE.name: _Grouping.conv_to_image,
}
