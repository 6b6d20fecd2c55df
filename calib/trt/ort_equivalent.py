"""A graph for TensorRT in a form that ONNX Runtime runs with our CPU operators.

For verification: a model for TensorRT is measured and compared on machines that do not have it.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.trt.weight_layout import from_ohwi
from layoutrt.graph.element_types import element_types
from layoutrt.operators import DOMAIN, plugins


def for_onnxruntime(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model for `layoutrt.runtime.session.Session`.

    Our operators lose their plugin attributes and get what the CPU kernels take: uint8 labels and, around
    operators that are in FP16, float32 tensors. Weights have the operators' order. All else stays, names
    included.

    Args:
        model: model of `layoutrt.calib.trt.lowering.lower` and what follows it; not changed.
    """
    converted = from_ohwi(model)
    _Conversion(converted).run()
    return converted


class _Conversion:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.types = element_types(model)
        self.nodes: list[onnx.NodeProto] = []
        self.casts: dict[tuple[str, int], str] = {}

    def run(self) -> None:
        for node in list(self.graph.node):
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            if node.domain == DOMAIN:
                self._operator(copied)
            elif node.op_type == "DequantizeLinear" and self.types[node.output[0]] == TensorProto.FLOAT16:
                self._dequantize(copied)
            elif node.op_type == "QuantizeLinear" and self.types[node.input[0]] == TensorProto.FLOAT16:
                self._quantize(copied)
            else:
                self.nodes.append(copied)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)

    def _operator(self, node: onnx.NodeProto) -> None:
        plugin = plugins.plugin_of(node)
        plugins.unmark(node)
        for place, name in enumerate(node.input):
            if plugin and plugin.takes_indices(place):
                node.input[place] = self._cast(name, TensorProto.UINT8)
            elif plugin and plugin.takes_levels(place):
                node.input[place] = self._features(name)
            elif self.types.get(name) == TensorProto.FLOAT16:
                node.input[place] = self._cast(name, TensorProto.FLOAT)
        (y,) = node.output
        self.nodes.append(node)
        if self.types[y] == TensorProto.INT8:
            self._levels(node, y)
        if self.types[y] == TensorProto.FLOAT16:
            node.output[0] = f"{y}_computed"
            self.nodes.append(
                helper.make_node("Cast", [f"{y}_computed"], [y], f"{y}_cast", to=TensorProto.FLOAT16)
            )

    def _dequantize(self, node: onnx.NodeProto) -> None:
        """Dequantize in float32, and round to FP16 after: the same numbers.

        Between such nodes in FP16, ONNX Runtime quantizes the bias of a convolution too, and counts its
        levels in FP16, where they overflow.
        """
        (y,) = node.output
        node.input[1] = self._cast(node.input[1], TensorProto.FLOAT)
        node.output[0] = f"{y}_wide"
        self.nodes += [
            node,
            helper.make_node("Cast", [f"{y}_wide"], [y], f"{y}_cast", to=TensorProto.FLOAT16),
        ]

    def _quantize(self, node: onnx.NodeProto) -> None:
        """Quantize in float32: in FP16, ONNX Runtime 1.23 cuts off where ONNX rounds."""
        for place in (0, 1):
            node.input[place] = self._cast(node.input[place], TensorProto.FLOAT)
        self.nodes.append(node)

    def _levels(self, node: onnx.NodeProto, y: str) -> None:
        """Quantize a result, which a plugin does itself."""
        scale = next(attribute for attribute in node.attribute if attribute.name == "y_scale")
        node.attribute.remove(scale)
        step = numpy_helper.from_array(np.array(scale.f, np.float32), f"{y}_step")
        zero = numpy_helper.from_array(np.array(0, np.int8), f"{y}_zero")
        self.graph.initializer.extend([step, zero])
        node.output[0] = f"{y}_computed"
        inputs = [node.output[0], step.name, zero.name]
        self.nodes.append(helper.make_node("QuantizeLinear", inputs, [y], f"{y}_quantize"))

    def _features(self, name: str) -> str:
        """Quantization, in float32, of an input that the plugin quantizes itself."""
        quantize = next((node for node in self.nodes if name in node.output), None)
        if self.types[name] == TensorProto.INT8 and quantize is not None:
            # Dequantized, so that the same levels are found again.
            dequantized = f"{name}_levels"
            if dequantized not in self.types:
                self.types[dequantized] = self.types[quantize.input[1]]
                inputs = [name, *quantize.input[1:]]
                self.nodes.append(
                    helper.make_node("DequantizeLinear", inputs, [dequantized], f"{dequantized}_dequantize")
                )
            name = dequantized
        return self._cast(name, TensorProto.FLOAT)

    def _cast(self, name: str, element_type: int) -> str:
        """The tensor in another type, converted once for all that read it."""
        if self.types[name] == element_type:
            return name
        key = (name, element_type)
        if key not in self.casts:
            self.casts[key] = f"{name}_as_{TensorProto.DataType.Name(element_type).lower()}"
            self.types[self.casts[key]] = element_type
            self.nodes.append(
                helper.make_node(
                    "Cast", [name], [self.casts[key]], f"{self.casts[key]}_cast", to=element_type
                )
            )
        return self.casts[key]
