"""Models of lower precision, made of an equalized float model for either target."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from layoutrt.calib.equalize.equalized_model import EqualizedModel
from layoutrt.calib.fp16.fp32_fallback import fp32_fallback
from layoutrt.calib.fp16.half import to_half
from layoutrt.calib.observe.intermediate_outputs import without_weights
from layoutrt.calib.observe.ranges import Range
from layoutrt.calib.observe.table import Half
from layoutrt.calib.ort.quantizer import quantize
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.calib.trt.parser_rules import violations
from layoutrt.calib.trt.qdq_insertion import insert_qdq
from layoutrt.calib.trt.weight_layout import to_ohwi
from layoutrt.operators import operator_of

WithFallback = tuple[onnx.ModelProto, dict[str, str]]
"""A model in FP16, and its nodes that compute in float32, with the reason."""


def quantizable_layers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """Nodes of a float model that multiply by weights, by name, in the order of the graph."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return {
        node.name: node
        for node in model.graph.node
        if (place := _weight(node)) is not None and node.input[place] in weights
    }


def _weight(node: onnx.NodeProto) -> int | None:
    """Place of the weight of a node that has an 8-bit form."""
    operator = operator_of(node)
    if operator:
        return operator.weights[0] if operator.quantized else None
    return 1 if node.op_type == "Conv" else None


def int8_for_onnxruntime(model: EqualizedModel, keep: Collection[str] = ()) -> onnx.ModelProto:
    """8-bit convolutions as ONNX Runtime's CPU provider runs them fastest.

    Args:
        model: equalized model; it is used up.
        keep: names of nodes that stay in float.
    """
    quantize(model.proto, model.ranges, keep, model.rounded)
    quantized = without_weights(model.proto)
    quantized.graph.initializer.extend(model.proto.graph.initializer)
    return quantized


def int8_for_tensorrt(model: EqualizedModel, half: Half, keep: Collection[str] = ()) -> WithFallback:
    """Q/DQ nodes in an FP16 graph, as TensorRT fuses them.

    Args:
        model: equalized model; it is used up.
        half: largest magnitudes that FP16 has to hold.
        keep: names of nodes that stay in floating point.
    """
    # Tensors inside of fused operators have magnitudes only, which suffice where 8 bits are symmetric.
    ranges = _ranges(half) | model.ranges
    quantized = insert_qdq(lower(model.proto), ranges, keep)
    found = _fallback(quantized, half)
    return _checked(to_ohwi(to_half(quantized, found))), found


def half_for_tensorrt(model: EqualizedModel, half: Half) -> WithFallback:
    """The graph in FP16, with float32 fallback where FP16 would overflow.

    Args:
        model: equalized model; it is used up.
        half: largest magnitudes that FP16 has to hold.
    """
    lowered = lower(model.proto)
    found = _fallback(lowered, half)
    return _checked(to_ohwi(to_half(lowered, found))), found


def half_for_onnxruntime(model: EqualizedModel, half: Half) -> WithFallback:
    """The same numbers as `half_for_tensorrt`, but for our operators, whose CPU kernels take float32.

    Args:
        model: equalized model; it is used up.
        half: largest magnitudes that FP16 has to hold.
    """
    lowered = lower(model.proto)
    found = _fallback(lowered, half)
    quantized = for_onnxruntime(to_half(lowered, found, operators_in_float=True))
    used = {node.op_type for node in quantized.graph.node}
    quantized.functions.extend(body for body in model.proto.functions if body.name in used)
    return quantized, found


def _fallback(model: onnx.ModelProto, half: Half) -> dict[str, str]:
    return fp32_fallback(model, _ranges(half), half.accumulations)


def _ranges(half: Half) -> dict[str, Range]:
    return {name: Range(-largest, largest) for name, largest in half.largest.items()}


def _checked(model: onnx.ModelProto) -> onnx.ModelProto:
    broken = violations(model)
    assert not broken, broken
    return model
