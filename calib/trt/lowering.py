"""The float graph of ``layoutrt export`` as TensorRT takes it.

uint8 is a type of a network's inputs and outputs only. It is converted from and to float and half alone, and
the conversion to it truncates and is undefined outside of 0 to 255 (TensorRT's `NvInferRuntimeBase.h` on
`DataType::kUINT8`); between nodes it is refused (`docs/operators.md` and `ModelImporter.cpp` of
onnx-tensorrt). So an input is cast to float first, class indices from there to int32, and an image or a label
map to uint8 last.

`GatedPredictedConv` and `ConvToImage` become their parts, because standard convolutions are what TensorRT
fuses and quantizes. The other operators are plugins. The file has no function bodies: a local function would
shadow the plugin of its name.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.trt import decompositions
from layoutrt.errors import LayoutRTError
from layoutrt.graph.element_types import element_types
from layoutrt.operators import DOMAIN, plugins
from layoutrt.operators.conv_to_image import CONV_TO_IMAGE
from layoutrt.operators.gated_predicted_conv import GATED_PREDICTED_CONV

FIRST_OPSET = 19
"""First opset in which Q/DQ nodes have FP16 scales."""

_DATA_MOVEMENT = ("Concat", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze")
_SUFFIXES: dict[int, str] = {TensorProto.FLOAT: "float", TensorProto.INT32: "int32"}


def lower(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph for TensorRT, in float32, that computes what ``model`` computes.

    Parts of an operator are named as `decompositions` says; all other nodes keep their names.

    Args:
        model: model of ``layoutrt export`` in float32, with its weights in it; not changed.

    Returns:
        A model of the same inputs, outputs and metadata, without function bodies.

    Raises:
        LayoutRTError: it holds an operator that has no place in such a graph, computes in uint8, or is in
            FP16 or quantized already.
    """
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    _check(lowered)
    _Lowering(lowered).run()
    return lowered


def _check(model: onnx.ModelProto) -> None:
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < FIRST_OPSET:
        raise LayoutRTError(f"the model has opset {opset}, FP16 scales need {FIRST_OPSET}; export it again")
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            raise LayoutRTError(f"the tensor {tensor.name} is in FP16 already; give the fp32 file")
    for node in model.graph.node:
        if "Quantize" in node.op_type or node.op_type.startswith("QLinear"):
            raise LayoutRTError(
                f"node {node.name} is a {node.op_type}: give the float model, not a quantized one"
            )
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise LayoutRTError(f"node {node.name} is a {node.op_type}, which holds a graph; unroll it first")
        if node.domain not in ("", "ai.onnx", DOMAIN):
            raise LayoutRTError(
                f"node {node.name} is a {node.op_type} of {node.domain}, which has no plugin; "
                "give a file of layoutrt export"
            )


class _Lowering:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.nodes: list[onnx.NodeProto] = []
        self.types = element_types(model)
        self.outputs = {value.name for value in self.graph.output}
        self.constants = {tensor.name: tensor for tensor in self.graph.initializer}
        self.wide: dict[str, dict[int, str]] = {}
        """Tensors that hold a uint8 tensor's values in types that TensorRT computes in, by type."""
        self.same: dict[str, str] = {}
        """Tensors that became another one, and that one."""
        self.indices = self._indices()

    def run(self) -> None:
        nodes = list(self.graph.node)
        for value in self.graph.input:
            if self.types[value.name] == TensorProto.UINT8:
                self.wide[value.name] = {}
                self._cast(value.name, f"{value.name}_float", TensorProto.FLOAT)
                self.wide[value.name][TensorProto.FLOAT] = f"{value.name}_float"
        for node in nodes:
            self._node(node)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        self._finish()

    def _node(self, exported: onnx.NodeProto) -> None:
        node = onnx.NodeProto()
        node.CopyFrom(exported)
        node.name = node.name or node.output[0]
        for place, name in enumerate(node.input):
            node.input[place] = self.same.get(name, name)
        reads_bytes = any(self.types.get(name) == TensorProto.UINT8 for name in node.input)
        if node.op_type == "Constant":
            self._constant(node)
        elif node.op_type == GATED_PREDICTED_CONV.name:
            self._gated_predicted_conv(node)
        elif node.op_type == CONV_TO_IMAGE.name:
            self._conv_to_image(node)
        elif node.domain == DOMAIN:
            self._plugin(node)
        elif node.op_type == "Cast" and (reads_bytes or self.types[node.output[0]] == TensorProto.UINT8):
            self._cast_of_bytes(node)
        elif reads_bytes:
            self._move_bytes(node)
        else:
            self.nodes.append(node)

    def _indices(self) -> set[str]:
        """uint8 tensors that lead to a plugin that takes indices without a conversion."""
        found: set[str] = set()
        for node in reversed(self.graph.node):
            plugin = plugins.plugin_of(node)
            if (plugin and plugin.takes_indices(0)) or found & set(node.output):
                found |= {name for name in node.input if self.types.get(name) == TensorProto.UINT8}
        return found

    def _wide(self, name: str, element_type: int) -> str:
        """The tensor that holds the values of the uint8 tensor ``name`` in ``element_type``."""
        if name not in self.wide:
            raise LayoutRTError(
                f"the tensor {name} is a constant in uint8, which TensorRT refuses; export again"
            )
        forms = self.wide[name]
        if element_type not in forms:
            source = forms.get(TensorProto.FLOAT) or next(iter(forms.values()))
            forms[element_type] = f"{name}_{_SUFFIXES[element_type]}"
            self._cast(source, forms[element_type], element_type)
        return forms[element_type]

    def _form(self, name: str) -> int:
        return TensorProto.INT32 if name in self.indices else TensorProto.FLOAT

    def _cast_of_bytes(self, node: onnx.NodeProto) -> None:
        (source,), (name,) = node.input, node.output
        from_type, to_type = self.types[source], self.types[name]
        if from_type == TensorProto.UINT8:
            if to_type in _SUFFIXES and name not in self.outputs:
                self.same[name] = self._wide(source, to_type)
            elif to_type == TensorProto.UINT8:
                self.wide[name] = self.wide[source]
            else:
                node.input[0] = self._wide(source, TensorProto.FLOAT)
                self.nodes.append(node)
        elif from_type in (TensorProto.INT32, TensorProto.INT64):
            # Class indices, clamped to what uint8 holds: the values stay.
            self.wide[name] = {from_type: source}
        else:
            self._cast(source, f"{name}_int32", TensorProto.INT32)
            self.wide[name] = {TensorProto.INT32: f"{name}_int32"}
        self._write_bytes(name)

    def _move_bytes(self, node: onnx.NodeProto) -> None:
        """A node that puts uint8 values elsewhere does the same to wider ones."""
        if node.op_type not in _DATA_MOVEMENT:
            raise LayoutRTError(
                f"node {node.name} is a {node.op_type} of uint8; let it compute in int32 or float"
            )
        form = self._form(node.output[0])
        for place, name in enumerate(node.input):
            if self.types.get(name) == TensorProto.UINT8:
                node.input[place] = self._wide(name, form)
        names = list(node.output)
        for place, name in enumerate(names):
            node.output[place] = f"{name}_{_SUFFIXES[form]}"
            self.wide[name], self.types[node.output[place]] = {form: node.output[place]}, form
        self.nodes.append(node)
        for name in names:
            self._write_bytes(name)

    def _write_bytes(self, name: str) -> None:
        if name in self.outputs and self.types[name] == TensorProto.UINT8:
            self._cast(self._wide(name, TensorProto.FLOAT), name, TensorProto.UINT8)

    def _plugin(self, node: onnx.NodeProto) -> None:
        plugin = plugins.plugin_of(node)
        if plugin is None:
            raise LayoutRTError(f"node {node.name} is a {node.op_type}, which has no plugin; export again")
        if plugin.takes_indices(0) and node.input[0] in self.wide:
            node.input[0] = self._wide(node.input[0], TensorProto.INT32)
        plugins.mark(node)
        self.nodes.append(node)

    def _gated_predicted_conv(self, node: onnx.NodeProto) -> None:
        self.nodes += decompositions.gated_predicted_conv(node, adds=not self._is_zero(node.input[-1]))

    def _conv_to_image(self, node: onnx.NodeProto) -> None:
        parts, constant, pixels = decompositions.conv_to_image(node)
        self.nodes += parts
        self._initializer(constant)
        self.wide[node.output[0]] = {TensorProto.FLOAT: pixels}
        self._write_bytes(node.output[0])

    def _is_zero(self, name: str) -> bool:
        tensor = self.constants.get(name)
        return tensor is not None and not numpy_helper.to_array(tensor).any()

    def _constant(self, node: onnx.NodeProto) -> None:
        """Constants as initializers, where the parser takes them for weights."""
        (name,) = node.output
        value = helper.get_attribute_value(node.attribute[0])
        if not isinstance(value, TensorProto):
            dtype = helper.tensor_dtype_to_np_dtype(self.types[name])
            value = numpy_helper.from_array(np.array(value, dtype), name)
        value.name = name
        self._initializer(value)

    def _initializer(self, tensor: TensorProto) -> None:
        self.constants[tensor.name] = tensor
        self.graph.initializer.append(tensor)

    def _cast(self, source: str, name: str, element_type: int) -> None:
        self.types[name] = element_type
        self.nodes.append(helper.make_node("Cast", [source], [name], f"{name}_cast", to=element_type))

    def _finish(self) -> None:
        drop_unread(self.graph)
        del self.model.functions[:]
        # Tensors have other types now; TensorRT infers them.
        del self.graph.value_info[:]


def drop_unread(graph: onnx.GraphProto) -> None:
    """Remove constants that no node reads."""
    read = {name for node in graph.node for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(tensors)
