"""Rules of Q/DQ nodes in a file for TensorRT; `tensorrt_rules` names their sources."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import onnx
from onnx import TensorProto

from layoutrt.graph.view import GraphView
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.quantized_predicted_conv import QUANTIZED_PREDICTED_CONV

_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
_FUSED = ("Relu", "LeakyRelu", "Sigmoid", "Tanh", "Add", "Mul")
"""Operators that TensorRT computes in the kernel of the convolution before them."""
_SMALLEST_HALF = 2.0**-14


def scales(graph: GraphView) -> Iterator[str]:
    """Scales and zero points of each node, and per-channel ones for weights only."""
    quantized: set[str] = set()
    for node in graph.nodes:
        if node.op_type not in (_QUANTIZE, _DEQUANTIZE):
            continue
        if len(node.input) < 3 or not {*node.input[1:3]} <= graph.constants.keys():
            yield f"node {node.name} has no constant scale and zero point"
            continue
        scale, zero_point = (graph.array(name) for name in node.input[1:3])
        if zero_point.dtype != np.int8 or zero_point.any():
            yield f"node {node.name} has a zero point other than 0 in int8"
        if scale.size != zero_point.size:
            yield f"node {node.name} has {scale.size} scales and {zero_point.size} zero points"
        smallest = _SMALLEST_HALF if scale.dtype == np.float16 else 0.0
        if not (np.isfinite(scale).all() and (scale > 0).all() and (scale >= smallest).all()):
            yield f"node {node.name} has a scale that is not positive, finite and full of digits"
        if node.op_type == _QUANTIZE:
            if graph.types[node.input[0]] != graph.types[node.input[1]]:
                yield f"node {node.name} has a scale of another type than what it reads"
            if node.input[0] in quantized:
                yield f"the tensor {node.input[0]} is quantized twice; one pair serves all that read it"
            quantized.add(node.input[0])
        if scale.ndim:
            yield from _per_channel(graph, node, scale.size)


def _per_channel(graph: GraphView, node: onnx.NodeProto, channels: int) -> Iterator[str]:
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
    weight = graph.constants.get(node.input[0])
    if weight is None:
        yield f"node {node.name} has a scale for each channel of an activation"
    elif axis != 0 or weight.dims[0] != channels:
        yield f"node {node.name} has no scale for each output channel, axis 0, of its weight"


def convolutions(graph: GraphView, float_nodes: Collection[str]) -> Iterator[str]:
    """Convolutions read 8 bits on both sides, or are listed and read float on both."""
    for node in graph.nodes:
        if node.op_type != "Conv":
            continue
        data, weight = (graph.made_by(name, _DEQUANTIZE) for name in node.input[:2])
        if node.name in float_nodes:
            if data is not None or weight is not None:
                yield f"node {node.name} is listed as float and reads a DequantizeLinear"
            continue
        if data is None or _step(graph, data.input[0]) is None:
            yield f"node {node.name} reads {node.input[0]} without Q/DQ and is not listed as float"
        if weight is None or graph.types[weight.input[0]] != TensorProto.INT8:
            yield f"node {node.name} has a weight that is not int8 and is not listed as float"
        elif not graph.array(weight.input[1]).ndim:
            yield f"node {node.name} has one scale for all channels of its weight"
        if weight is not None and not any(attribute.name == "kernel_shape" for attribute in node.attribute):
            # Of weights that are no initializer of the node's, the parser takes the window from there alone.
            yield f"node {node.name} lacks kernel_shape and reads a weight that is dequantized"
        for bias in node.input[2:]:
            if bias not in graph.constants:
                yield f"node {node.name} has a bias that is not a float constant"


def _step(graph: GraphView, name: str) -> np.float32 | None:
    """The scale of the levels that a `QuantizeLinear` or a plugin writes; None for any other tensor."""
    maker = graph.makers.get(name)
    if maker is None:
        return None
    if maker.op_type == _QUANTIZE:
        return np.float32(graph.array(maker.input[1]))
    scales = [attribute.f for attribute in maker.attribute if attribute.name == "y_scale"]
    return np.float32(scales[0]) if maker.op_type == QUANTIZED_PREDICTED_CONV.name and scales else None


def _levels(graph: GraphView, node: onnx.NodeProto, step: np.float32) -> Iterator[str]:
    """Check that readers of a plugin's levels use the plugin's scale."""
    for reader in graph.readers[node.output[0]]:
        if reader.op_type == _DEQUANTIZE and np.float32(graph.array(reader.input[1])) != step:
            yield f"node {reader.name} has another scale than {node.name}, whose levels it reads"
        elif reader.op_type not in (_DEQUANTIZE, QUANTIZED_PREDICTED_CONV.name):
            yield f"node {reader.name} reads the levels of {node.name} and is no DequantizeLinear"


def residuals(graph: GraphView, float_nodes: Collection[str]) -> Iterator[str]:
    """Check that both inputs of an addition after an 8-bit convolution have 8 bits."""
    for node in graph.nodes:
        if node.op_type != "Add":
            continue
        convs = [graph.made_by(name, "Conv") for name in node.input]
        others = [
            name
            for name, conv in zip(node.input, convs, strict=True)
            if conv is None and name not in graph.constants
        ]
        straight = [conv for conv in convs if conv is not None and conv.name not in float_nodes]
        if len(straight) == 1 and len(others) == 1 and graph.made_by(others[0], _DEQUANTIZE) is None:
            yield f"node {node.name} adds {others[0]} without Q/DQ to a convolution of 8 bits"


def fusions(graph: GraphView) -> Iterator[str]:
    """Nothing between a convolution and what TensorRT fuses into it."""
    for node in graph.nodes:
        if node.op_type != _QUANTIZE or graph.made_by(node.input[0], "Conv") is None:
            continue
        pairs = [reader for reader in graph.readers[node.output[0]] if reader.op_type == _DEQUANTIZE]
        dequantized = [name for reader in pairs for name in reader.output]
        for reader in (reader for name in dequantized for reader in graph.readers[name]):
            if reader.op_type in _FUSED:
                yield f"node {node.name} stands between a convolution and {reader.name}, a {reader.op_type}"


def plugins_in_8_bits(graph: GraphView, float_nodes: Collection[str]) -> Iterator[str]:
    """Plugins read float, or levels whose scale is an attribute."""
    for node in graph.nodes:
        if not node.domain:
            continue
        if any(graph.made_by(name, _DEQUANTIZE) for name in node.input):
            yield f"node {node.name} is a plugin and reads a DequantizeLinear, which is never fused with it"
        if node.op_type == PREDICTED_CONV.name and node.name not in float_nodes:
            yield f"node {node.name} is a {node.op_type} in float and not listed as float"
        if node.op_type == QUANTIZED_PREDICTED_CONV.name:
            values = {attribute.name: attribute for attribute in node.attribute}
            if values["h_zero_point"].i != 128:
                yield f"node {node.name} has levels that are not symmetric"
            steps = np.array([values["h_scale"].f, *values["weight_scale"].floats])
            if "y_scale" in values:
                steps = np.append(steps, values["y_scale"].f)
                yield from _levels(graph, node, np.float32(values["y_scale"].f))
            step = _step(graph, node.input[1])
            if step is None and graph.types[node.input[1]] == TensorProto.INT8:
                yield f"node {node.name} reads {node.input[1]} in int8 that no node quantizes"
            elif step is not None and step != np.float32(values["h_scale"].f):
                maker = graph.makers[node.input[1]]
                yield f"node {node.name} has another h_scale than {maker.name}, whose levels it reads"
            if not (np.isfinite(steps).all() and (steps > 0).all()):
                yield f"node {node.name} has a scale that is not positive and finite"
