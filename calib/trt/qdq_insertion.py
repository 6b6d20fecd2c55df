"""Q/DQ nodes where TensorRT fuses them.

After "Q/DQ Layer-Placement Recommendations" of TensorRT's developer guide: quantize all inputs of weighted
operations, per tensor for activations and per channel for weights; do not quantize their outputs, so that the
activation or addition that follows is fused; quantize the residual input of such an addition, because its
precision is that of the fusion's output. Quantization is symmetric (`IQuantizeLayer`: zero points are 0).

Weights are int8 constants with a `DequantizeLinear`, which the guide ("Quantized Weights") allows beside
float weights with a pair of nodes, and which makes the file small. Biases stay in float: TensorRT adds them
to the dequantized sums.

Plugins are never fused with Q/DQ nodes: those beside a plugin become part of it. `QuantizedPredictedConv`
reads what a `QuantizeLinear` writes, and where only 8-bit layers read its result it writes what a
`DequantizeLinear` reads; the scales are attributes. `LayoutConv` and `SpatiallyVaryingConv` stay in float.
So do the few other products (`Gemm` of a latent, the `ConvTranspose` that shuffles pixels) and the
convolution whose result becomes the image.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from layoutrt.calib.observe.ranges import Range
from layoutrt.calib.observe.scales import activation_scale, quantize_channels
from layoutrt.calib.trt.decompositions import IMAGE_CONV, origin
from layoutrt.calib.trt.lowering import drop_unread
from layoutrt.errors import LayoutRTError
from layoutrt.operators.plugins import plugin_of
from layoutrt.operators.predicted_conv import PREDICTED_CONV

FLOAT_NODES = "layoutrt.float_nodes"
"""Metadata key: a JSON list of the `Conv` and `PredictedConv` nodes that stay in float."""

_TAPS = 9
_ZERO_POINT = 128
"""Zero point of the operator's uint8 levels: 128 to either side of it are those of symmetric int8."""


def tensors_to_measure(lowered: onnx.ModelProto, keep: Collection[str] = ()) -> list[str]:
    """Tensors of the lowered graph whose ranges `place` needs.

    All are tensors of the exported graph too, or `applied_kernels` of one of its nodes, but for what a
    `GatedPredictedConv` adds to a residual that comes straight from a convolution.

    Args:
        lowered: model of `lowering.lower`.
        keep: as for `insert_qdq`.
    """
    points = _QuantizationPoints(lowered, keep)
    names = [name for node in lowered.graph.node for name in points.quantized_tensors(node)]
    return list(dict.fromkeys(names))


def insert_qdq(
    lowered: onnx.ModelProto, ranges: dict[str, Range], keep: Collection[str] = ()
) -> onnx.ModelProto:
    """The graph with Q/DQ nodes.

    Args:
        lowered: model of `lowering.lower`, in float32, with its weights in it; not changed.
        ranges: ranges of at least `tensors_to_measure`.
        keep: names of nodes of the exported graph that stay in float, with all their parts.

    Returns:
        A model of the same inputs and outputs, with `FLOAT_NODES` in its metadata.

    Raises:
        LayoutRTError: the graph is quantized already or was not lowered, or a range is missing.
    """
    inserted = onnx.ModelProto()
    inserted.CopyFrom(lowered)
    _QdqInsertion(inserted, ranges, _QuantizationPoints(lowered, keep)).run()
    return inserted


class _QuantizationPoints:
    """Quantization points of a lowered graph."""

    def __init__(self, lowered: onnx.ModelProto, keep: Collection[str]) -> None:
        _check(lowered)
        self.keep = keep
        self.weights = {tensor.name: tensor for tensor in lowered.graph.initializer}
        self.convs = {node.output[0]: node for node in lowered.graph.node if node.op_type == "Conv"}
        self.outputs = {value.name for value in lowered.graph.output}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in lowered.graph.node:
            for name in node.input:
                self.readers[name].append(node)
        self.too_large: set[str] = set()
        """Convolutions that no 8 bits hold."""

    def is_quantized(self, node: onnx.NodeProto) -> bool:
        """True for a convolution that computes in 8 bits."""
        if node.op_type not in ("Conv", PREDICTED_CONV.name) or {node.name, origin(node)} & set(self.keep):
            return False
        weight = node.input[1 if node.op_type == "Conv" else 2]
        is_image = node.name.endswith(f"/{IMAGE_CONV}")
        return weight in self.weights and not is_image and node.name not in self.too_large

    def residual(self, node: onnx.NodeProto) -> str | None:
        """The input of an addition that TensorRT fuses into the convolution of the other input."""
        if node.op_type != "Add":
            return None
        straight = [name for name in node.input if name in self.convs]
        others = [name for name in node.input if name not in self.convs and name not in self.weights]
        if len(straight) == len(others) == 1 and self.is_quantized(self.convs[straight[0]]):
            return others[0]
        return None

    def is_read_in_8_bits_only(self, name: str) -> bool:
        """True where every reader of a tensor reads it quantized."""
        if name in self.outputs or not self.readers[name]:
            return False
        return all(
            list(node.input).count(name) == list(self.quantized_tensors(node)).count(name)
            for node in self.readers[name]
        )

    def quantized_tensors(self, node: onnx.NodeProto) -> Iterator[str]:
        """Inputs that a node reads in 8 bits."""
        residual = self.residual(node)
        if residual:
            yield residual
        if self.is_quantized(node):
            yield node.input[0 if node.op_type == "Conv" else 1]


class _QdqInsertion:
    def __init__(self, model: onnx.ModelProto, ranges: dict[str, Range], points: _QuantizationPoints) -> None:
        self.model = model
        self.ranges = ranges
        self.points = points
        self.nodes: list[onnx.NodeProto] = []
        self.quantized: dict[str, list[str]] = {}
        """Scale and zero point of tensors that are quantized."""
        self.dequantized: dict[str, str] = {}
        """Dequantized tensors and weights."""

    def run(self) -> None:
        graph = self.model.graph
        # First, because an addition asks whether the convolution before it is quantized.
        self.points.too_large = {
            node.name for node in graph.node if self.points.is_quantized(node) and self._is_too_large(node)
        }
        floats = []
        for exported in list(graph.node):
            node = onnx.NodeProto()
            node.CopyFrom(exported)
            residual = self.points.residual(node)
            if residual:
                node.input[list(node.input).index(residual)] = self._pair(residual)
            if not self.points.is_quantized(node):
                floats += [node.name] if node.op_type in ("Conv", PREDICTED_CONV.name) else []
            elif node.op_type == "Conv":
                node.input[0], node.input[1] = self._pair(node.input[0]), self._weight(node.input[1])
            else:
                self._predicted_conv(node)
            self.nodes.append(node)
        del graph.node[:]
        graph.node.extend(self.nodes)
        drop_unread(graph)
        metadata = {entry.key: entry.value for entry in self.model.metadata_props}
        helper.set_model_props(self.model, metadata | {FLOAT_NODES: json.dumps(floats)})

    def _is_too_large(self, node: onnx.NodeProto) -> bool:
        """True where weights are not finite, or a bias exceeds the 32 bits that products are added up in."""
        at = 0 if node.op_type == "Conv" else 1
        arrays = [self._array(name) for name in node.input[at + 1 : at + 3] if name in self.points.weights]
        if not all(np.isfinite(array).all() for array in arrays):
            return True
        if node.op_type != "Conv" or len(arrays) < 2:
            return False
        _, scales = quantize_channels(arrays[0])
        steps = scales.astype(np.float64) * self._scale(node.input[0])
        # Such as a class that a bias of -1e30 rules out: its score would take all levels from the others'.
        return bool(np.abs(arrays[1] / steps).max() > np.iinfo(np.int32).max)

    def _quantized(self, name: str) -> str:
        """The levels of a tensor, which all that read it share."""
        quantized = f"{name}_quantized"
        if name not in self.quantized:
            self.quantized[name] = self._constants(name, np.array(self._scale(name), np.float32))
            inputs = [name, *self.quantized[name]]
            self.nodes.append(helper.make_node("QuantizeLinear", inputs, [quantized], f"{name}_quantize"))
        return quantized

    def _pair(self, name: str) -> str:
        """The tensor after a pair of Q/DQ nodes."""
        if name not in self.dequantized:
            self.dequantized[name] = f"{name}_dequantized"
            inputs = [self._quantized(name), *self.quantized[name]]
            self.nodes.append(
                helper.make_node("DequantizeLinear", inputs, [self.dequantized[name]], f"{name}_dequantize")
            )
        return self.dequantized[name]

    def _weight(self, name: str) -> str:
        if name not in self.dequantized:
            levels, scales = quantize_channels(self._array(name))
            self._constant(f"{name}_int8", levels)
            inputs = [f"{name}_int8", *self._constants(name, scales)]
            output = f"{name}_dequantized"
            self.nodes.append(
                helper.make_node("DequantizeLinear", inputs, [output], f"{name}_dequantize", axis=0)
            )
            self.dequantized[name] = output
        return self.dequantized[name]

    def _predicted_conv(self, node: onnx.NodeProto) -> None:
        levels, scales = quantize_channels(self._array(node.input[2]), _TAPS)
        attributes = {
            "h_scale": float(self._scale(node.input[1])),
            "h_zero_point": _ZERO_POINT,
            "weight_scale": scales.tolist(),
        }
        node.op_type = PREDICTED_CONV.quantized
        # Half the traffic of FP16; and what makes h writes one tensor, which convolutions read too.
        node.input[1] = self._quantized(node.input[1])
        (y,) = node.output
        if self.points.is_read_in_8_bits_only(y):
            scale = self._scale(y)
            attributes["y_scale"] = float(scale)
            node.output[0] = f"{y}_quantized"
            self.quantized[y] = self._constants(y, np.array(scale, np.float32))
        name = f"{node.input[2]}_int8"
        if name not in self.dequantized:
            self._constant(name, levels)
            self.dequantized[name] = name
        node.input[2] = name
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())

    def _scale(self, name: str) -> np.float32:
        if name not in self.ranges:
            raise LayoutRTError(f"the calibration has no range of the tensor {name}; measure the model again")
        return activation_scale(self.ranges[name])

    def _constants(self, name: str, scale: NDArray[np.float32]) -> list[str]:
        """Scale and zero point; the parser wants as many zeros as scales."""
        self._constant(f"{name}_scale", scale)
        self._constant(f"{name}_zero_point", np.zeros(scale.shape, np.int8))
        return [f"{name}_scale", f"{name}_zero_point"]

    def _constant(self, name: str, array: NDArray) -> None:
        self.model.graph.initializer.append(numpy_helper.from_array(array, name))

    def _array(self, name: str) -> NDArray:
        return numpy_helper.to_array(self.points.weights[name])


def _check(lowered: onnx.ModelProto) -> None:
    for node in lowered.graph.node:
        if "Quantize" in node.op_type:
            raise LayoutRTError(
                f"node {node.name} is a {node.op_type}: give the float model, not a quantized one"
            )
        if node.domain not in ("", "ai.onnx") and plugin_of(node) is None:
            raise LayoutRTError(
                f"node {node.name} is a {node.op_type}, which has no plugin; lower the graph first"
            )
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise LayoutRTError(f"node {node.name} is a {node.op_type}, which holds a graph; unroll it first")
