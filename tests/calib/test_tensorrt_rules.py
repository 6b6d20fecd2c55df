"""Rules for TensorRT's files: a file with Q/DQ nodes keeps them, and each is found where it is broken."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.fp16.half import to_half
from layoutrt.calib.observe.ranges import collect_ranges
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.calib.trt.parser_rules import violations
from layoutrt.calib.trt.qdq_insertion import insert_qdq, tensors_to_measure
from layoutrt.calib.trt.weight_layout import to_ohwi
from layoutrt.drive import Drive
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model
from layoutrt.operators.predicted_conv import PREDICTED_CONV


@pytest.fixture(scope="module")
def sound() -> onnx.ModelProto:
    """A file in FP16 and int8 that keeps every rule."""
    lowered = lower(onnx.load(resolve_model("camvid-edge")))
    inputs = [{"labels": Drive(label_set("camvid"), 64, 64).frame(0)[None]}]
    ranges = collect_ranges(for_onnxruntime(lowered), tensors_to_measure(lowered), inputs, threads=1)
    return to_ohwi(to_half(insert_qdq(lowered, ranges), ()))


def copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    (found,) = (node for node in model.graph.node if node.name == name)
    return found


def replace(model: onnx.ModelProto, name: str, array: np.ndarray) -> None:
    (found,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    found.CopyFrom(numpy_helper.from_array(array, name))


def opset_18(model):
    model.opset_import[0].version = 18


def function(model):
    model.functions.append(PREDICTED_CONV.body())


def foreign_operator(model):
    node(model, "node_leaky_relu").op_type = "Celu"


def wrong_type(model):
    node(model, "node_layout_conv").input[0] = "labels_float"


def bytes_between_nodes(model):
    node(model, "labels_float_cast").attribute[0].i = TensorProto.UINT8


def bytes_into_a_transpose(model):
    model.graph.node.append(helper.make_node("Transpose", ["labels"], ["turned"], "turn"))


def bytes_from_int32(model):
    node(model, "image_cast").input[0] = "labels_int32"


def mixed_types(model):
    replace(model, "down.0.bias", np.zeros(32, np.float32))


def no_namespace(model):
    plugin = node(model, "node_layout_conv")
    kept = [attribute for attribute in plugin.attribute if attribute.name != "plugin_namespace"]
    del plugin.attribute[:]
    plugin.attribute.extend(kept)


def no_weight_layout(model):
    plugin = next(node for node in model.graph.node if node.op_type == "QuantizedPredictedConv")
    plugin.name = "predictor"
    kept = [attribute for attribute in plugin.attribute if attribute.name != "weight_layout"]
    del plugin.attribute[:]
    plugin.attribute.extend(kept)


def weight_of_an_input(model):
    plugin = next(node for node in model.graph.node if node.op_type == "QuantizedPredictedConv")
    plugin.name, plugin.input[2] = "predictor", "labels"


def levels_of_another_scale(model):
    plugin = next(node for node in model.graph.node if node.op_type == "QuantizedPredictedConv")
    plugin.name = "predictor"
    next(attribute for attribute in plugin.attribute if attribute.name == "h_scale").f *= 2


def levels_of_nobody(model):
    plugin = next(node for node in model.graph.node if node.op_type == "QuantizedPredictedConv")
    plugin.name, plugin.input[1] = "predictor", plugin.input[2]


def result_of_another_scale(model):
    plugin = next(node for node in model.graph.node if node.op_type == "QuantizedPredictedConv")
    plugin.name = "predictor"
    next(attribute for attribute in plugin.attribute if attribute.name == "y_scale").f *= 2


def levels_for_a_float_node(model):
    plugin = next(node for node in model.graph.node if node.op_type == "QuantizedPredictedConv")
    plugin.name = "predictor"
    model.graph.node.append(helper.make_node("Relu", plugin.output, ["active"], "activation"))


def zero_point_128(model):
    replace(model, "leaky_relu_zero_point", np.array(128, np.uint8))


def zero_point_1(model):
    replace(model, "leaky_relu_zero_point", np.array(1, np.int8))


def no_zero_point(model):
    node(model, "leaky_relu_quantize").input.pop()


def scale_zero(model):
    replace(model, "leaky_relu_scale", np.array(0, np.float16))


def scale_infinite(model):
    replace(model, "leaky_relu_scale", np.array(np.inf, np.float16))


def scale_subnormal(model):
    replace(model, "leaky_relu_scale", np.array(1e-6, np.float16))


def scale_in_float32(model):
    replace(model, "leaky_relu_scale", np.array(0.01, np.float32))


def scales_of_an_activation(model):
    replace(model, "leaky_relu_scale", np.full(32, 0.01, np.float16))
    replace(model, "leaky_relu_zero_point", np.zeros(32, np.int8))


def axis_1(model):
    node(model, "down.0.weight_dequantize").attribute[0].i = 1


def one_scale_for_a_weight(model):
    replace(model, "down.0.weight_scale", np.array(0.01, np.float16))
    replace(model, "down.0.weight_zero_point", np.array(0, np.int8))


def quantized_twice(model):
    inputs = list(node(model, "leaky_relu_quantize").input)
    model.graph.node.append(helper.make_node("QuantizeLinear", inputs, ["again"], "again"))


def float_data(model):
    node(model, "node_conv2d").input[0] = "leaky_relu"


def float_weight(model):
    weight = numpy_helper.from_array(np.zeros((32, 32, 3, 3), np.float16), "weight")
    model.graph.initializer.append(weight)
    node(model, "node_conv2d").input[1] = "weight"


def no_window(model):
    conv = node(model, "node_conv2d")
    kept = [attribute for attribute in conv.attribute if attribute.name != "kernel_shape"]
    del conv.attribute[:]
    conv.attribute.extend(kept)


def listed_but_quantized(model):
    helper.set_model_props(model, {"layoutrt.float_nodes": json.dumps(["node_conv2d"])})


def float_residual(model):
    node(model, "node_add_4").input[0] = "layout_conv_2"


def pair_before_an_activation(model):
    inputs = ["conv2d", "leaky_relu_scale", "leaky_relu_zero_point"]
    model.graph.node.append(helper.make_node("QuantizeLinear", inputs, ["q"], "before"))
    model.graph.node.append(helper.make_node("DequantizeLinear", ["q", *inputs[1:]], ["dq"], "after"))
    node(model, "node_leaky_relu_1").input[0] = "dq"
    nodes = sorted(model.graph.node, key=lambda one: one.name not in ("before", "after"))
    place_ = next(i for i, one in enumerate(nodes) if one.name == "node_leaky_relu_1")
    ordered = [*nodes[2:place_], *nodes[:2], *nodes[place_:]]
    del model.graph.node[:]
    model.graph.node.extend(ordered)


def plugin_after_a_pair(model):
    node(model, "node_gated_predicted_conv/predicted_conv").input[1] = "relu_dequantized"


def levels_not_symmetric(model):
    values = node(model, "node_gated_predicted_conv/predicted_conv").attribute
    next(value for value in values if value.name == "h_zero_point").i = 0


def plugin_scale_negative(model):
    values = node(model, "node_gated_predicted_conv/predicted_conv").attribute
    next(value for value in values if value.name == "weight_scale").floats[0] = -1


@pytest.mark.parametrize(
    ("break_rule", "words"),
    [
        (opset_18, "opset is 18"),
        (function, "carries the function PredictedConv"),
        (foreign_operator, "node_leaky_relu is a Celu"),
        (wrong_type, "a LayoutConv, reads labels_float in float16"),
        (bytes_between_nodes, "labels_float is uint8 and neither input nor output"),
        (bytes_into_a_transpose, "turn reads labels in uint8 and is no Cast to float"),
        (bytes_from_int32, "makes image in uint8 and is no Cast from float"),
        (mixed_types, "node_conv2d, a Conv, reads float and float16"),
        (no_namespace, "node_layout_conv lacks plugin_version 1 or plugin_namespace"),
        (levels_of_another_scale, "node predictor has another h_scale than"),
        (levels_of_nobody, "that no node quantizes"),
        (result_of_another_scale, "has another scale than predictor, whose levels it reads"),
        (levels_for_a_float_node, "reads the levels of predictor and is no DequantizeLinear"),
        (no_weight_layout, "node predictor lacks weight_layout OHWI"),
        (weight_of_an_input, "node predictor has a weight that is not a constant"),
        (zero_point_128, "leaky_relu_quantize has a zero point other than 0"),
        (zero_point_1, "leaky_relu_quantize has a zero point other than 0"),
        (no_zero_point, "leaky_relu_quantize has no constant scale and zero point"),
        (scale_zero, "leaky_relu_quantize has a scale that is not positive"),
        (scale_infinite, "leaky_relu_quantize has a scale that is not positive, finite"),
        (scale_subnormal, "leaky_relu_quantize has a scale that is not positive, finite and full of digits"),
        (scale_in_float32, "leaky_relu_quantize has a scale of another type"),
        (scales_of_an_activation, "leaky_relu_quantize has a scale for each channel of an activation"),
        (axis_1, "down.0.weight_dequantize has no scale for each output channel"),
        (one_scale_for_a_weight, "node_conv2d has one scale for all channels"),
        (quantized_twice, "leaky_relu is quantized twice"),
        (float_data, "node_conv2d reads leaky_relu without Q/DQ"),
        (float_weight, "node_conv2d has a weight that is not int8"),
        (no_window, "node_conv2d lacks kernel_shape"),
        (listed_but_quantized, "node_conv2d is listed as float and reads a DequantizeLinear"),
        (float_residual, "node_add_4 adds layout_conv_2 without Q/DQ"),
        (pair_before_an_activation, "before stands between a convolution and node_leaky_relu_1, a LeakyRelu"),
        (plugin_after_a_pair, "is a plugin and reads a DequantizeLinear"),
        (levels_not_symmetric, "has levels that are not symmetric"),
        (plugin_scale_negative, "node_gated_predicted_conv/predicted_conv has a scale that is not positive"),
    ],
)
def test_a_broken_rule_is_found(sound, break_rule, words) -> None:
    broken = copy(sound)
    break_rule(broken)
    found = violations(broken)
    assert any(words in sentence for sentence in found), found


def test_a_sound_file_has_no_violations(sound) -> None:
    assert violations(sound) == []


def test_a_file_in_floating_point_needs_no_pairs() -> None:
    lowered = to_ohwi(lower(onnx.load(resolve_model("camvid-edge"))))
    assert violations(lowered) == []
    assert violations(to_half(lowered, ())) == []
    helper.set_model_props(lowered, {"layoutrt.float_nodes": "[]"})  # says that it is quantized
    assert any("without Q/DQ" in sentence for sentence in violations(lowered))
    assert any("PredictedConv in float" in sentence for sentence in violations(lowered))


def test_an_exported_file_is_told_what_it_lacks() -> None:
    found = violations(onnx.load(resolve_model("camvid-edge")))
    for words in (
        "carries the function",
        "is a GatedPredictedConv",
        "slice_1 is uint8",
        "lacks plugin_version",
    ):
        assert any(words in sentence for sentence in found), words
