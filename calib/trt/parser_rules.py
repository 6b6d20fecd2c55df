"""Rules of a finished ONNX file that TensorRT 10.3 and later parse, fuse and quantize.

Checked on the graph alone, with nothing of the code that inserted Q/DQ nodes. Sources:

- operators, types and restrictions: `docs/operators.md` of onnx-tensorrt 10, of which the tables here are the
  part that our graphs use;
- uint8 at the network's borders only: the same document, and `NvInferRuntimeBase.h` on `DataType::kUINT8`;
- scales that are positive, zero points that are 0 and as many as the scales, per-channel scales for weights
  only: the importers of `QuantizeLinear` and `DequantizeLinear` in onnx-tensorrt's `onnxOpImporters.cpp`;
- the window of a convolution whose weights are dequantized: ``convMultiInput`` in its `importerUtils.cpp`;
- where Q/DQ nodes stand: "Q/DQ Layer-Placement Recommendations" of TensorRT's developer guide;
- plugin attributes: `FallbackPluginImporter` in `onnxOpImporters.cpp`, and what our plugins ask for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import onnx
from onnx import TensorProto

from layoutrt.calib.trt import qdq_rules as qdq
from layoutrt.graph.view import GraphView
from layoutrt.operators.plugins import plugin_of

_BYTE = TensorProto.UINT8
_FLOATS: set[int] = {TensorProto.FLOAT, TensorProto.FLOAT16}
_NUMBERS: set[int] = _FLOATS | {TensorProto.INT32, TensorProto.INT64}
_ANY = _NUMBERS | {TensorProto.BOOL}

OPERATORS: dict[str, set[int]] = {
    **dict.fromkeys(("Add", "ArgMax", "Div", "Equal", "Max", "Min", "Mul", "Pad", "Sub"), _NUMBERS),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "Relu"), _NUMBERS),
    **dict.fromkeys(("Concat", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"), _ANY),
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm", "GlobalAveragePool", "MatMul"), _FLOATS),
    **dict.fromkeys(("InstanceNormalization", "LeakyRelu", "Resize", "Round", "Sigmoid", "Tanh"), _FLOATS),
    "Cast": _ANY,
    "DequantizeLinear": {TensorProto.INT8},
    "Not": {TensorProto.BOOL},
    "QuantizeLinear": _FLOATS,
}
"""Operators that our graphs use, and the types of their first input beside uint8, which has its own rule."""

_PLUGIN_ATTRIBUTES = {"plugin_version": b"1", "plugin_namespace": b"layoutrt"}
_OPSETS = range(19, 21)


def violations(model: onnx.ModelProto) -> list[str]:
    """One sentence for every place where the file breaks a rule; none for a file that is fine.

    A file counts as quantized if it has Q/DQ nodes or the metadata ``layoutrt.float_nodes``, a JSON list
    of the convolutions and `PredictedConv` nodes that stay in float.

    Args:
        model: model in float32, FP16, or both, with its weights in it.
    """
    graph = GraphView(model)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    found = [*_file(model), *_operators(graph), *_bytes(model, graph), *_one_type(graph), *_plugins(graph)]
    found += qdq.scales(graph)
    listed = metadata.get("layoutrt.float_nodes")
    if listed is not None or any("Quantize" in node.op_type for node in graph.nodes):
        float_nodes = json.loads(listed or "[]")
        found += qdq.convolutions(graph, float_nodes)
        found += qdq.residuals(graph, float_nodes)
        found += qdq.fusions(graph)
        found += qdq.plugins_in_8_bits(graph, float_nodes)
    return found


def _file(model: onnx.ModelProto) -> Iterator[str]:
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset not in _OPSETS:
        yield f"the opset is {opset}; FP16 scales need 19, and TensorRT 10.3 reads up to 20"
    for function in model.functions:
        yield f"the file carries the function {function.name}, which shadows the plugin of that name"


def _operators(graph: GraphView) -> Iterator[str]:
    for node in graph.nodes:
        plugin = plugin_of(node)
        if plugin is None and (node.domain or node.op_type not in OPERATORS):
            yield f"node {node.name} is a {node.op_type}, which is not among what TensorRT is given"
            continue
        kinds = plugin.inputs if plugin else (OPERATORS[node.op_type],)
        for name, allowed in zip(node.input, kinds, strict=False):
            kind = graph.types[name]
            if kind not in allowed and kind != _BYTE:
                yield f"node {node.name}, a {node.op_type}, reads {name} in {_type_name(kind)}"


def _bytes(model: onnx.ModelProto, graph: GraphView) -> Iterator[str]:
    """uint8 is at the network's borders, and a Cast of float is all that touches it."""
    borders = {value.name for value in (*model.graph.input, *model.graph.output)}
    for name in (name for name, kind in graph.types.items() if kind == _BYTE):
        if name not in borders:
            yield f"the tensor {name} is uint8 and neither input nor output"
        for node in graph.readers[name]:
            if node.op_type != "Cast" or graph.types[node.output[0]] not in _FLOATS:
                yield f"node {node.name} reads {name} in uint8 and is no Cast to float"
        maker = graph.makers.get(name)
        if maker is not None and (maker.op_type != "Cast" or graph.types[maker.input[0]] not in _FLOATS):
            yield f"node {maker.name} makes {name} in uint8 and is no Cast from float"


def _one_type(graph: GraphView) -> Iterator[str]:
    """A strongly typed network computes in one type: the inputs of a node agree."""
    for node in graph.nodes:
        # Region and scales of a resize are float32 in ONNX; the parser reads them as constants.
        inputs = node.input[:1] if node.op_type == "Resize" else node.input
        if {graph.types[name] for name in inputs if name} >= _FLOATS:
            yield f"node {node.name}, a {node.op_type}, reads float and float16"


def _plugins(graph: GraphView) -> Iterator[str]:
    for node in (node for node in graph.nodes if node.domain):
        attributes = {a.name: a.s for a in node.attribute if a.name in _PLUGIN_ATTRIBUTES}
        if attributes != _PLUGIN_ATTRIBUTES:
            yield f"node {node.name} lacks plugin_version 1 or plugin_namespace layoutrt"
        plugin = plugin_of(node)
        if plugin and plugin.ohwi_weight:
            yield from _predictor(node, graph)


def _predictor(node: onnx.NodeProto, graph: GraphView) -> Iterator[str]:
    layouts = [attribute.s for attribute in node.attribute if attribute.name == "weight_layout"]
    if layouts != [b"OHWI"]:
        yield f"node {node.name} lacks weight_layout OHWI"
    weight = graph.constants.get(node.input[2])
    if weight is None or len(weight.dims) != 4 or weight.dims[1] != weight.dims[2]:
        yield f"node {node.name} has a weight that is not a constant of the shape [C*9, p, p, J]"


def _type_name(kind: int) -> str:
    return TensorProto.DataType.Name(kind).lower()
