"""Q/DQ nodes for TensorRT: where they stand, what they hold, and that the picture stays."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.fp16.half import to_half
from layoutrt.calib.observe.intermediate_outputs import intermediate_session
from layoutrt.calib.observe.ranges import Range, collect_ranges
from layoutrt.calib.observe.scales import activation_scale, quantize_channels
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.calib.trt.parser_rules import violations
from layoutrt.calib.trt.qdq_insertion import FLOAT_NODES, insert_qdq, tensors_to_measure
from layoutrt.calib.trt.weight_layout import to_ohwi
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model

DRIVE = Drive(label_set("camvid"), 64, 96)
FRAMES = [{"labels": DRIVE.frame(index)[None]} for index in (0, 25, 50)]


@pytest.fixture(scope="module")
def edge() -> onnx.ModelProto:
    return lower(onnx.load(resolve_model("camvid-edge")))


@pytest.fixture(scope="module")
def ranges(edge) -> dict[str, Range]:
    return collect_ranges(for_onnxruntime(edge), tensors_to_measure(edge), FRAMES, threads=1)


@pytest.fixture(scope="module")
def with_qdq(edge, ranges) -> onnx.ModelProto:
    return insert_qdq(edge, ranges)


def image(model: onnx.ModelProto, labels: np.ndarray) -> np.ndarray:
    with intermediate_session(for_onnxruntime(model), (), model.graph.output, threads=1) as session:
        return session.run(labels=labels)["image"].astype(np.float64)


def nodes_of(model: onnx.ModelProto, operator: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == operator]


def arrays(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def float_nodes(model: onnx.ModelProto) -> list[str]:
    return json.loads({entry.key: entry.value for entry in model.metadata_props}[FLOAT_NODES])


def test_every_convolution_but_that_of_the_image_has_8_bits(edge, with_qdq) -> None:
    assert violations(to_ohwi(with_qdq)) == []
    assert float_nodes(with_qdq) == ["node_conv_to_image/image_conv"]
    constants = arrays(with_qdq)
    in_float = [node.name for node in nodes_of(with_qdq, "Conv") if node.input[1] in constants]
    assert in_float == ["node_conv_to_image/image_conv"]
    assert len(nodes_of(with_qdq, "QuantizedPredictedConv")) == len(nodes_of(edge, "PredictedConv")) == 17
    assert not nodes_of(with_qdq, "PredictedConv")
    assert len(nodes_of(with_qdq, "LayoutConv")) == len(nodes_of(edge, "LayoutConv"))


def test_a_tensor_that_many_read_is_quantized_once(with_qdq) -> None:
    quantized = [node.input[0] for node in nodes_of(with_qdq, "QuantizeLinear")]
    assert len(set(quantized)) == len(quantized)
    readers = [node for node in with_qdq.graph.node if "leaky_relu_3_dequantized" in node.input]
    assert len(readers) == 2


def test_scales_are_symmetric_per_tensor_and_per_output_channel(edge, ranges, with_qdq) -> None:
    floats, constants = arrays(edge), arrays(with_qdq)
    for node in nodes_of(with_qdq, "QuantizeLinear"):
        limits = ranges[node.input[0]]
        scale = constants[node.input[1]]
        assert scale.shape == ()
        assert max(-limits.low, limits.high) / 127 <= scale <= max(-limits.low, limits.high) / 127 * 1.001
    weights = [node for node in nodes_of(with_qdq, "DequantizeLinear") if node.input[0] in constants]
    assert len(weights) == len(nodes_of(with_qdq, "Conv")) - 1
    for node in weights:
        levels, scale, zero = (constants[name] for name in node.input)
        weight = floats[node.input[0].removesuffix("_int8")]
        assert (levels.dtype, zero.dtype, scale.shape) == (np.int8, np.int8, weight.shape[:1])
        error = np.abs(levels * scale[:, None, None, None] - weight)
        assert (error.reshape(len(scale), -1).max(1) <= scale * 0.501).all()


def test_a_predicted_convolution_has_its_scales_as_attributes(ranges, with_qdq) -> None:
    constants = arrays(with_qdq)
    for node in nodes_of(with_qdq, "QuantizedPredictedConv"):
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        quantize = next(n for n in nodes_of(with_qdq, "QuantizeLinear") if n.output[0] == node.input[1])
        assert values["h_scale"] == activation_scale(ranges[quantize.input[0]])
        assert values["h_scale"] == constants[quantize.input[1]]
        assert values["h_zero_point"] == 128
        weight = constants[node.input[2]]
        assert weight.dtype == np.int8
        assert len(values["weight_scale"]) == len(weight) // 9
        assert values["plugin_namespace"] == b"layoutrt"


def test_a_predicted_convolution_writes_the_levels_that_the_mixing_convolution_reads(
    ranges, with_qdq
) -> None:
    constants = arrays(with_qdq)
    readers = {name: node for node in with_qdq.graph.node for name in node.input}
    mixed = [node for node in nodes_of(with_qdq, "QuantizedPredictedConv") if "/" in node.name]
    assert len(mixed) > 10
    for node in mixed:
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        dequantize = readers[node.output[0]]
        assert dequantize.op_type == "DequantizeLinear"
        assert values["y_scale"] == constants[dequantize.input[1]]
        assert readers[dequantize.output[0]].name.endswith("/mix")
    made = {name for node in nodes_of(with_qdq, "QuantizedPredictedConv") for name in node.output}
    assert not made & {node.input[0] for node in nodes_of(with_qdq, "QuantizeLinear")}


def test_a_result_that_a_float_layer_reads_too_stays_in_float(edge, ranges) -> None:
    with_qdq = insert_qdq(edge, ranges, keep=["node_gated_predicted_conv_3/mix"])
    (node,) = (n for n in with_qdq.graph.node if n.name == "node_gated_predicted_conv_3/predicted_conv")
    assert node.op_type == "QuantizedPredictedConv"
    assert "y_scale" not in {attribute.name for attribute in node.attribute}
    assert violations(to_ohwi(with_qdq)) == []


def test_no_tensor_is_quantized_twice_and_none_for_nobody(with_qdq) -> None:
    quantized = [node.input[0] for node in nodes_of(with_qdq, "QuantizeLinear")]
    assert len(set(quantized)) == len(quantized)
    read = {name for node in with_qdq.graph.node for name in node.input}
    assert all(
        node.output[0] in read
        for operator in ("QuantizeLinear", "DequantizeLinear")
        for node in nodes_of(with_qdq, operator)
    )


def test_what_is_added_to_a_convolution_has_8_bits_and_the_convolution_is_left_alone(with_qdq) -> None:
    makers = {name: node.op_type for node in with_qdq.graph.node for name in node.output}
    kinds = {
        tuple(sorted(makers.get(name, "constant") for name in node.input))
        for node in nodes_of(with_qdq, "Add")
    }
    assert ("Conv", "DequantizeLinear") in kinds
    assert not any("Conv" in kind and "DequantizeLinear" not in kind for kind in kinds)
    # Where nothing is fused, nothing is quantized.
    assert not any("DequantizeLinear" in kind and "Conv" not in kind for kind in kinds)


def test_a_kept_operator_keeps_all_its_parts(edge, ranges) -> None:
    with_qdq = insert_qdq(edge, ranges, keep=["node_gated_predicted_conv_3", "node_Conv_250"])
    assert violations(to_ohwi(with_qdq)) == []
    kept = {f"node_gated_predicted_conv_3/{part}" for part in ("predicted_conv", "mix", "gate_conv")}
    assert set(float_nodes(with_qdq)) == {*kept, "node_Conv_250", "node_conv_to_image/image_conv"}
    nodes = {node.name: node for node in with_qdq.graph.node}
    before = {node.name: node for node in edge.graph.node}
    assert all(nodes[name] == before[name] for name in kept)
    # The addition after a kept convolution reads what it did, too.
    assert nodes["node_add_5"] == before["node_add_5"]
    measured = set(tensors_to_measure(edge)) - set(tensors_to_measure(edge, ["node_gated_predicted_conv_3"]))
    assert measured == {"gated_predicted_conv_3_applied_kernels"}


def test_the_8_bit_picture_is_that_of_the_float_model(edge, with_qdq) -> None:
    labels = DRIVE.frame(30)[None]
    original = image(edge, labels)
    for model in (with_qdq, to_half(with_qdq, ())):
        difference = image(model, labels) - original
        assert 0 < (difference**2).mean() < 255**2 / 10**2.5  # PSNR above 25 dB, and not the same file
        assert np.abs(difference.reshape(-1, 3).mean(0)).max() < 2


@pytest.mark.parametrize("full", [False, True])
def test_the_papers_generator_is_quantized_with_its_shortcuts(full, tiny_model, tiny_full_model) -> None:
    exported = onnx.load(tiny_full_model if full else tiny_model)
    model = lower(exported)
    wanted = tensors_to_measure(model)
    arguments = FRAMES[0]
    if full:
        instances = np.zeros((1, 64, 96), np.int32)
        instances[:, 20:40, 30:60] = 7
        arguments = arguments | {"instances": instances, "z": np.ones((1, 16), np.float32)}
    with_qdq = insert_qdq(model, collect_ranges(for_onnxruntime(model), wanted, [arguments], threads=1))
    half = to_half(with_qdq, ())
    assert violations(to_ohwi(with_qdq)) == violations(to_ohwi(half)) == []
    images = []
    for one in (half, model):
        with intermediate_session(for_onnxruntime(one), (), one.graph.output, threads=1) as session:
            images.append(session.run(**arguments)["image"].astype(int))
    assert np.abs(images[0] - images[1]).mean() < 1
    # A shortcut that is a convolution meets what the exported graph has inside an operator.
    known = {name for node in exported.graph.node for name in node.output}
    known |= {f"{name}_applied_kernels" for name in known}
    inside = [name for name in wanted if name not in known]
    assert len(inside) == (0 if full else 4)
    assert all(name.endswith("_active") for name in inside)


def test_a_convolution_whose_bias_no_8_bits_hold_stays_in_float() -> None:
    segmenter = lower(onnx.load(resolve_model("camvid-seg")))
    ranges = dict.fromkeys(tensors_to_measure(segmenter), Range(-1.0, 6.0))
    with_qdq = insert_qdq(segmenter, ranges)
    assert float_nodes(with_qdq) == ["node_conv2d_24"]
    assert violations(to_ohwi(with_qdq)) == []


def test_scales_are_numbers_of_fp16_and_zeros_have_one_too() -> None:
    scales = [activation_scale(Range(-low, 1.0)) for low in np.linspace(1, 100, 50)]
    assert all(np.float16(scale) == scale for scale in scales)
    assert activation_scale(Range(0.0, 0.0)) == 1
    tiny = activation_scale(Range(0.0, 1e-4))  # FP16 would have few digits for it
    assert tiny == np.float32(1e-4 / 127)
    weight = np.zeros((2, 3, 1, 1), np.float32)
    weight[1, 0] = -0.3
    levels, steps = quantize_channels(weight)
    assert steps[0] == 1
    assert levels[1, 0] == -127
    assert not levels[0].any()


def test_missing_ranges_and_quantized_models_are_refused(edge, ranges, with_qdq) -> None:
    with pytest.raises(LayoutRTError, match="no range of the tensor leaky_relu;"):
        insert_qdq(edge, {name: limits for name, limits in ranges.items() if name != "leaky_relu"})
    with pytest.raises(LayoutRTError, match="give the float model"):
        insert_qdq(with_qdq, ranges)
    with pytest.raises(LayoutRTError, match="is a GatedPredictedConv, which has no plugin"):
        insert_qdq(onnx.load(resolve_model("camvid-edge")), ranges)


def test_a_convolution_with_a_computed_weight_stays_in_float() -> None:
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "dynamic")]
    made = helper.make_graph(
        nodes, "g", [value("x", [1, 2, 4, 4]), value("w", [3, 2, 1, 1])], [value("y", [1, 3, 4, 4])]
    )
    with_qdq = insert_qdq(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)]), {})
    assert float_nodes(with_qdq) == ["dynamic"]
    assert violations(to_ohwi(with_qdq)) == []


def test_a_bias_of_more_levels_than_fp16_holds_is_evaluated_as_it_is() -> None:
    value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)  # noqa: E731
    nodes = [
        helper.make_node("Conv", ["x", "first", "bias"], ["a"], "conv_1", kernel_shape=[1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "active"),
        helper.make_node("Conv", ["b", "second"], ["y"], "conv_2", kernel_shape=[1, 1]),
    ]
    constants = {
        "first": np.full((4, 4, 1, 1), 0.01, np.float32),
        "second": np.eye(4, dtype=np.float32)[..., None, None],
        # In steps of both scales, 1 / 127 and 0.01 / 127: some 160,000.
        "bias": np.full(4, 0.1, np.float32),
    }
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "chain", [value("x", [1, 4, 8, 8])], [value("y", None)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    half = to_half(insert_qdq(model, {"x": Range(0, 1), "b": Range(0, 0.2)}), ())
    with intermediate_session(for_onnxruntime(half), (), half.graph.output, threads=1) as session:
        y = session.run(x=np.ones((1, 4, 8, 8), np.float32))["y"]
    np.testing.assert_allclose(y, 4 * 0.01 + 0.1, rtol=0.01)
