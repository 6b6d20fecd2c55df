"""FP16 graphs: where float32 fallback is needed, that it is found, and that nothing else falls back."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from layoutrt.calib.fp16.accumulations import collect_accumulations
from layoutrt.calib.fp16.fp32_fallback import LARGEST, float_tensors, fp32_fallback
from layoutrt.calib.fp16.half import to_half
from layoutrt.calib.observe.intermediate_outputs import intermediate_session
from layoutrt.calib.observe.ranges import Range, collect_ranges
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.calib.trt.parser_rules import violations
from layoutrt.calib.trt.qdq_insertion import insert_qdq, tensors_to_measure
from layoutrt.calib.trt.weight_layout import to_ohwi
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.graph.element_types import element_types
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model

RANDOM = np.random.default_rng(0)
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def run(model: onnx.ModelProto, arguments: dict[str, np.ndarray]) -> np.ndarray:
    (output,) = model.graph.output
    with intermediate_session(for_onnxruntime(model), (), [output], threads=1) as session:
        return session.run(**arguments)[output.name]


def in_half(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """The result where every FP16 node computes in FP16; ONNX Runtime's CPU provider has few that do."""
    with np.errstate(over="ignore", invalid="ignore"):
        return ReferenceEvaluator(model).run(None, {"x": x})[0]


def found_fallback(model: onnx.ModelProto, inputs: list[dict[str, np.ndarray]]) -> dict[str, str]:
    ranges = collect_ranges(for_onnxruntime(model), float_tensors(model), inputs, threads=1)
    return fp32_fallback(model, ranges, collect_accumulations(model, inputs, threads=1))


def chain(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], shape: list[int]) -> onnx.ModelProto:
    """A model from ``x`` to ``y``, in float32."""
    value = lambda name, dims: helper.make_tensor_value_info(name, FLOAT, dims)  # noqa: E731
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "chain", [value("x", shape)], [value("y", None)], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def standardization() -> onnx.ModelProto:
    """Statistics of a norm over an image: squares that FP16 does not hold."""
    return chain(
        [
            helper.make_node("LeakyRelu", ["x"], ["active"], "before", alpha=0.9),
            helper.make_node("Mul", ["active", "active"], ["squares"], "square"),
            helper.make_node("ReduceMean", ["squares", "axes"], ["variance"], "mean"),
            helper.make_node("Sqrt", ["variance"], ["deviation"], "root"),
            helper.make_node("Div", ["active", "deviation"], ["normed"], "divide"),
            helper.make_node("LeakyRelu", ["normed"], ["y"], "after", alpha=0.9),
        ],
        {"axes": np.array([2, 3])},
        [1, 2, 8, 8],
    )


def test_statistics_that_overflow_fall_back_and_nothing_else_does() -> None:
    model = standardization()
    x = RANDOM.uniform(300, 900, (1, 2, 8, 8)).astype(np.float32)
    found = found_fallback(model, [{"x": x}])
    assert set(found) == {"square", "mean", "root"}
    assert found["square"].startswith("writes squares, which reaches ")
    half, plain = to_half(model, found), to_half(model, ())
    expected = run(model, {"x": x})
    assert not in_half(plain, x).any()  # divided by infinity
    for result in (in_half(half, x), run(half, {"x": x})):
        assert np.allclose(result, expected, rtol=0.002)
    types = element_types(half)
    assert [types[name] for name in ("active", "squares", "variance", "normed")] == [HALF, FLOAT, FLOAT, HALF]


def test_a_large_tensor_is_infinite_without_fallback() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "up"], ["large"], "enlarge"),
        helper.make_node("Mul", ["large", "down"], ["small"], "reduce"),
        helper.make_node("LeakyRelu", ["small"], ["y"], "after", alpha=0.5),
    ]
    constants = {"up": np.array(1000, np.float32), "down": np.array(0.001, np.float32)}
    model = chain(nodes, constants, [1, 4])
    x = np.array([[1, 50, 200, 400]], np.float32)
    found = found_fallback(model, [{"x": x}])
    assert set(found) == {"enlarge", "reduce"}
    assert np.isinf(in_half(to_half(model, ()), x)).any()
    assert np.allclose(in_half(to_half(model, found), x), x, rtol=0.002)


def test_a_sum_that_overflows_on_the_way_falls_back() -> None:
    weight = np.concatenate([np.full((1, 500, 1, 1), 50), np.full((1, 500, 1, 1), -50)], 1).astype(np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "cancel")]
    model = chain(nodes, {"w": weight}, [1, 1000, 2, 2])
    x = np.ones((1, 1000, 2, 2), np.float32)
    found = found_fallback(model, [{"x": x}])
    assert found == {"cancel": "adds up to 5e+04"}
    assert not in_half(to_half(model, found), x).any()
    assert found_fallback(model, [{"x": x / 10}]) == {}


def test_a_constant_that_vanishes_in_fp16_falls_back() -> None:
    nodes = [helper.make_node("Add", ["x", "epsilon"], ["y"], "guard")]
    model = chain(nodes, {"epsilon": np.array(1e-9, np.float32)}, [1, 4])
    found = found_fallback(model, [{"x": np.ones((1, 4), np.float32)}])
    assert found == {"guard": "reads epsilon, which never exceeds 1e-09"}
    with pytest.raises(LayoutRTError, match="does not hold the constant epsilon that node guard reads"):
        to_half(model, ())


def test_the_scores_of_a_class_that_is_ruled_out_fall_back() -> None:
    segmenter = lower(onnx.load(resolve_model("camvid-seg")))
    frame = {"frame": RANDOM.integers(0, 256, (1, 64, 96, 3), np.uint8)}
    found = found_fallback(segmenter, [frame])
    assert set(found) == {"node_conv2d_24", "node_upsample_bilinear2d_3", "node_argmax"}
    half = to_half(segmenter, found)
    assert violations(to_ohwi(half)) == []
    assert (run(half, frame) == run(segmenter, frame)).mean() > 0.995
    with pytest.raises(LayoutRTError, match=r"network\.classify\.bias"):
        to_half(segmenter, ())


@pytest.fixture(scope="module")
def edge() -> onnx.ModelProto:
    return lower(onnx.load(resolve_model("camvid-edge")))


LABELS = {"labels": Drive(label_set("camvid"), 64, 96).frame(9)[None]}


@pytest.mark.parametrize("operators_in_float", [False, True])
def test_the_picture_in_fp16_is_that_in_float32(edge, operators_in_float) -> None:
    assert found_fallback(edge, [LABELS]) == {}
    half = to_half(edge, (), operators_in_float=operators_in_float)
    assert operators_in_float or violations(to_ohwi(half)) == []
    assert half.ByteSize() < 0.52 * edge.ByteSize()
    difference = run(half, LABELS).astype(float) - run(edge, LABELS)
    assert 0 < (difference**2).mean() < 255**2 / 10**5  # PSNR above 50 dB, and not the same file
    types = element_types(half)
    of_operators = {types[name] for node in half.graph.node if node.domain for name in node.output}
    assert of_operators == {FLOAT if operators_in_float else HALF}
    others = [node for node in half.graph.node if not node.domain and node.op_type != "Cast"]
    assert FLOAT not in {types[name] for node in others for name in node.output}


def test_casts_stand_at_borders_only_and_never_in_a_row(edge) -> None:
    half = to_half(edge, ())
    casts = [(node.input[0], node.output[0]) for node in half.graph.node if node.op_type == "Cast"]
    assert [output for _, output in casts] == ["labels_float", "labels_int32", "image"]
    for model in (half, to_half(edge, (), operators_in_float=True)):
        types = element_types(model)
        floats = {
            node.output[0]: node.input[0]
            for node in model.graph.node
            if node.op_type == "Cast" and {types[node.input[0]], types[node.output[0]]} == {FLOAT, HALF}
        }
        assert not floats.keys() & set(floats.values())
        assert len({(source, types[name]) for name, source in floats.items()}) == len(floats)


def test_inputs_outputs_and_scales_of_a_resize_keep_their_types(tiny_full_model) -> None:
    full = lower(onnx.load(tiny_full_model))
    half = to_half(full, ())
    assert (half.graph.input, half.graph.output) == (full.graph.input, full.graph.output)
    assert violations(to_ohwi(half)) == []
    types = element_types(half)
    resizes = [node for node in half.graph.node if node.op_type == "Resize"]
    assert resizes
    assert {(types[node.input[0]], types[node.input[2]]) for node in resizes} == {(HALF, FLOAT)}
    model = standardization()
    types = element_types(to_half(model, ()))
    assert (types["x"], types["y"]) == (FLOAT, FLOAT)


def test_a_scale_that_fp16_does_not_hold_keeps_its_convolution_in_float32(edge) -> None:
    ranges = dict.fromkeys(tensors_to_measure(edge), Range(-4.0, 4.0)) | {"leaky_relu_1": Range(-1e-3, 1e-3)}
    with_qdq = insert_qdq(edge, ranges)
    floats = dict.fromkeys(float_tensors(edge), Range(-4.0, 4.0))
    found = fp32_fallback(with_qdq, floats, {})
    # It is read by two convolutions, and has one pair.
    assert set(found) == {"leaky_relu_1_quantize", "node_conv2d_1", "node_conv2d_8"}
    assert "smallest scale is 7.874e-06" in found["node_conv2d_1"]
    half = to_half(with_qdq, found)
    assert violations(to_ohwi(half)) == []
    types = element_types(half)
    assert (types["leaky_relu_1_dequantized"], types["conv2d_1"], types["conv2d_2"]) == (FLOAT, FLOAT, HALF)
    assert types["leaky_relu_2"] == HALF


def test_fallback_among_quantized_convolutions_shares_the_pair_of_the_others(edge) -> None:
    with_qdq = insert_qdq(edge, dict.fromkeys(tensors_to_measure(edge), Range(-4.0, 4.0)))
    half = to_half(with_qdq, ["node_conv2d_1"])  # reads leaky_relu_1, as node_conv2d_8 does
    assert violations(to_ohwi(half)) == []
    readers = [node for node in half.graph.node if "leaky_relu_1_quantized" in node.input]
    types = element_types(half)
    assert sorted(types[node.output[0]] for node in readers) == [FLOAT, HALF]


def test_products_of_8_bits_are_no_accumulations_of_fp16(edge) -> None:
    ranges = dict.fromkeys(tensors_to_measure(edge), Range(-4.0, 4.0))
    floats = dict.fromkeys(float_tensors(edge), Range(-4.0, 4.0))
    sums = {"node_conv2d": LARGEST * 2, "node_conv_to_image/image_conv": LARGEST * 2}
    assert set(fp32_fallback(edge, floats, sums)) == {"node_conv2d", "node_conv_to_image/image_conv"}
    assert set(fp32_fallback(insert_qdq(edge, ranges), floats, sums)) == {"node_conv_to_image/image_conv"}


def test_a_range_that_is_missing_is_named(edge) -> None:
    with pytest.raises(LayoutRTError, match="no range of the tensor layout_conv;"):
        fp32_fallback(edge, {}, {})
