"""A float model with 8-bit convolutions for ONNX Runtime's CPU provider.

Standard convolutions stand between `DequantizeLinear` and `QuantizeLinear` nodes, activations in uint8 and
weights in int8 within -64 to 64 (`weight_rounding.LARGEST_LEVEL` says why), which ONNX Runtime fuses into
integer convolutions (with a float output it would keep the float one). Element-wise operators between two
such tensors are enclosed too, so that a chain stays in integers. Our predicted convolutions become their
quantized counterparts, which quantize what they read themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from layoutrt.calib.observe.intermediate_outputs import applied_kernels
from layoutrt.calib.observe.ranges import Range
from layoutrt.calib.observe.scales import Levels, activation_levels, quantize_rows
from layoutrt.calib.weight_rounding import round_rows
from layoutrt.operators import DOMAIN, operators
from layoutrt.operators.gated_predicted_conv import GATED_PREDICTED_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV

Rounded = tuple[NDArray[np.int8], NDArray[np.float32]]
"""Weights as integers, and the scale of each row."""

_TAPS = 9
_ELEMENTWISE = ("LeakyRelu", "Relu", "Add", "Mul", "Sigmoid", "Resize")
"""Operators that ONNX Runtime's CPU provider computes on uint8, on both of their sides."""


def tensors_to_measure(model: onnx.ModelProto, keep: Collection[str] = ()) -> list[str]:
    """Tensors whose ranges quantization needs.

    Args:
        model: the float model.
        keep: names of nodes that stay in float.
    """
    names: list[str] = []
    for node in model.graph.node:
        if node.name in keep:
            continue
        if node.op_type == "Conv" or node.op_type in _ELEMENTWISE:
            names += [node.input[0], node.output[0]]
        elif node.op_type == PREDICTED_CONV.name:
            names.append(node.input[1])
        elif node.op_type == GATED_PREDICTED_CONV.name:
            names += [node.input[1], node.input[8], applied_kernels(node), node.input[11]]
    constants = {tensor.name for tensor in model.graph.initializer}
    return [name for name in dict.fromkeys(names) if name not in constants]


def quantize(
    model: onnx.ModelProto,
    ranges: dict[str, Range],
    keep: Collection[str] = (),
    rounded: Mapping[str, Rounded] | None = None,
) -> None:
    """Give a float model 8-bit convolutions, in place.

    Args:
        model: the float model, with its weights in it.
        ranges: ranges of at least `tensors_to_measure`.
        keep: names of nodes that stay in float.
        rounded: weights of convolutions that are integers already; others are rounded to the nearest level.
    """
    _Quantizer(model, ranges, keep, rounded or {}).run()


@dataclass
class _Quantizer:
    model: onnx.ModelProto
    ranges: dict[str, Range]
    keep: Collection[str]
    rounded: Mapping[str, Rounded]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    levels: dict[str, Levels] = field(default_factory=dict)
    """Tensors that exist in integers; nodes that read them read `_dequantized`."""

    def run(self) -> None:
        graph = self.model.graph
        self.weights = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            if node.name in self.keep:
                self.nodes.append(self._reading(node))
            elif node.op_type == "Conv" and node.input[1] in self.weights:
                self._conv(node)
            elif _in_integers(node) and all(name in self.levels for name in self._tensors(node)):
                self._enclose(node)
            elif node.op_type == PREDICTED_CONV.name:
                self._predicted_conv(node)
            elif node.op_type == GATED_PREDICTED_CONV.name:
                self._gated_predicted_conv(node)
            else:
                self.nodes.append(self._reading(node))
        outputs = [name for value in graph.output for name in [value.name] if name in self.levels]
        assert not outputs, "a generator's output is an image, made of float tensors"
        del graph.node[:]
        graph.node.extend(self.nodes)
        self._finish()

    def _tensors(self, node: onnx.NodeProto) -> Iterable[str]:
        return (name for name in node.input if name and name not in self.weights)

    def _reading(self, node: onnx.NodeProto) -> onnx.NodeProto:
        """The node, reading the dequantized form of tensors that exist in integers."""
        reader = onnx.NodeProto()
        reader.CopyFrom(node)
        for place, name in enumerate(node.input):
            if name in self.levels:
                reader.input[place] = _dequantized(name)
        return reader

    def _quantize(self, name: str, source: str) -> None:
        """Add ``name`` in integers, made of the float tensor ``source``."""
        if name in self.levels:
            return
        self.levels[name] = levels = activation_levels(self.ranges[name])
        scale, zero = f"{name}_scale", f"{name}_zero_point"
        self._constant(scale, np.array(levels.scale, np.float32))
        self._constant(zero, np.array(levels.zero_point, np.uint8))
        integers = f"{name}_quantized"
        self.nodes += [
            helper.make_node("QuantizeLinear", [source, scale, zero], [integers], f"{name}_quantize"),
            helper.make_node(
                "DequantizeLinear", [integers, scale, zero], [_dequantized(name)], f"{name}_dequantize"
            ),
        ]

    def _enclose(self, node: onnx.NodeProto) -> None:
        """Compute a node between tensors in integers."""
        reader = self._reading(node)
        (name,) = node.output
        if node.op_type == "Resize":
            # ONNX Runtime resizes the integers as they are, so both sides must have the same levels.
            self.ranges = self.ranges | {name: self.ranges[node.input[0]]}
        reader.output[0] = f"{name}_float"
        self.nodes.append(reader)
        self._quantize(name, f"{name}_float")

    def _conv(self, node: onnx.NodeProto) -> None:
        x, weight, *bias = node.input
        known = self.rounded.get(weight)
        integers, scales = known or round_rows(numpy_helper.to_array(self.weights[weight]))
        steps = scales * np.float32(activation_levels(self.ranges[x]).scale)
        offsets = [numpy_helper.to_array(self.weights[name]).astype(np.float64) / steps for name in bias]
        if any(np.abs(offset).max() > np.iinfo(np.int32).max for offset in offsets):
            # Such as a class that a bias of -1e30 rules out: no 8 bits hold it beside the others' scores.
            self.nodes.append(self._reading(node))
            return
        self._quantize(x, x)
        inner = onnx.NodeProto()
        inner.CopyFrom(node)
        inner.input[1] = self._dequantized_constant(f"{weight}_int8", integers, scales)
        for offset in offsets:
            levels = np.rint(offset).astype(np.int32)
            inner.input[2] = self._dequantized_constant(f"{node.output[0]}_bias", levels, steps)
        self._enclose(inner)

    def _predicted_conv(self, node: onnx.NodeProto) -> None:
        weight, scales = quantize_rows(numpy_helper.to_array(self.weights[node.input[2]]), _TAPS)
        h = activation_levels(self.ranges[node.input[1]])
        counterpart = self._quantized_counterpart(node, PREDICTED_CONV.quantized, {2: weight})
        _attributes(counterpart, h_scale=h.scale, h_zero_point=h.zero_point, weight_scale=scales.tolist())

    def _gated_predicted_conv(self, node: onnx.NodeProto) -> None:
        arrays = {place: numpy_helper.to_array(self.weights[node.input[place]]) for place in (2, 6, 9)}
        weight, weight_scale = quantize_rows(arrays[2], _TAPS)
        mix, mix_scale = quantize_rows(arrays[6], 1)
        gate, gate_scale = quantize_rows(arrays[9], 1)
        h, gate_h = (activation_levels(self.ranges[node.input[place]]) for place in (1, 8))
        applied = activation_levels(self.ranges[applied_kernels(node)])
        counterpart = self._quantized_counterpart(
            node, GATED_PREDICTED_CONV.quantized, {2: weight, 6: mix, 9: gate}
        )
        _attributes(
            counterpart,
            h_scale=h.scale,
            h_zero_point=h.zero_point,
            weight_scale=weight_scale.tolist(),
            mix_scale=mix_scale.tolist(),
            mix_in_scale=applied.scale,
            mix_in_zero_point=applied.zero_point,
            gate_weight_scale=gate_scale.tolist(),
            gate_h_scale=gate_h.scale,
            gate_h_zero_point=gate_h.zero_point,
        )

    def _quantized_counterpart(
        self, node: onnx.NodeProto, name: str, weights: dict[int, NDArray[np.int8]]
    ) -> onnx.NodeProto:
        """Add the quantized operator in the place of ``node``, with its integer weights."""
        counterpart = self._reading(node)
        counterpart.op_type = name
        for place, array in weights.items():
            counterpart.input[place] = f"{node.input[place]}_int8"
            self._constant(counterpart.input[place], array)
        self.nodes.append(counterpart)
        return counterpart

    def _dequantized_constant(self, name: str, array: NDArray, scales: NDArray[np.float32]) -> str:
        self._constant(name, array)
        self._constant(f"{name}_scale", scales)
        self._constant(f"{name}_zero_point", np.zeros(len(scales), array.dtype))
        inputs = [name, f"{name}_scale", f"{name}_zero_point"]
        self.nodes.append(
            helper.make_node("DequantizeLinear", inputs, [_dequantized(name)], f"{name}_dequantize", axis=0)
        )
        return _dequantized(name)

    def _constant(self, name: str, array: NDArray) -> None:
        self.model.graph.initializer.append(numpy_helper.from_array(array, name))

    def _finish(self) -> None:
        """Drop what nothing reads any more, and bring the bodies of the new operators."""
        graph = self.model.graph
        read = {name for node in graph.node for name in node.input}
        tensors = [tensor for tensor in graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend(tensors)
        # Types of tensors that have other names now; runtimes infer them.
        del graph.value_info[:]
        used = {node.op_type for node in graph.node if node.domain == DOMAIN}
        carried = {function.name for function in self.model.functions}
        if carried:
            used |= {name for operator in used for name in operators()[operator].calls}
            new = [operator for name, operator in operators().items() if name in used - carried]
            self.model.functions.extend(operator.body() for operator in new)


def _in_integers(node: onnx.NodeProto) -> bool:
    """True for a node that may be enclosed. Interpolated scores of classes would tie in 256 levels."""
    modes = [attribute.s for attribute in node.attribute if attribute.name == "mode"]
    return node.op_type in _ELEMENTWISE and (node.op_type != "Resize" or modes in ([], [b"nearest"]))


def _dequantized(name: str) -> str:
    return f"{name}_dequantized"


def _attributes(node: onnx.NodeProto, **values: float | int | list[float]) -> None:
    node.attribute.extend(helper.make_attribute(name, value) for name, value in values.items())
