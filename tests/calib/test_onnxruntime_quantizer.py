"""8-bit models for ONNX Runtime: what is quantized, and how close they stay."""

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from layoutrt.calib.calibrate import calibrate
from layoutrt.calib.observe.ranges import Range, collect_ranges
from layoutrt.calib.observe.scales import activation_levels, quantize_rows
from layoutrt.calib.ort.quantizer import quantize, tensors_to_measure
from layoutrt.drive import Drive
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model
from layoutrt.runtime.session import Session

CAMVID = label_set("camvid")
EDGE, SEGMENTER = resolve_model("camvid-edge"), resolve_model("camvid-seg")


@pytest.fixture(scope="module")
def edge_int8(tmp_path_factory):
    out = tmp_path_factory.mktemp("int8") / "edge.int8.onnx"
    return calibrate("camvid-edge", "drive:12", out, threads=1)


def test_levels_cover_the_range_and_hold_zero_exactly() -> None:
    levels = activation_levels(Range(-1.0, 3.0))
    assert levels.scale == pytest.approx(4 / 255)
    assert levels.zero_point == 64
    assert activation_levels(Range(0.5, 2.0)).zero_point == 0  # 0.0 is padding, so it must have a level
    assert activation_levels(Range(-2.0, -0.5)).zero_point == 255
    assert activation_levels(Range(0.0, 0.0)).scale > 0


def test_rows_that_share_a_scale_use_all_levels() -> None:
    weight = np.random.default_rng(0).standard_normal((18, 4, 1, 1), np.float32)
    levels, scales = quantize_rows(weight, 9)
    assert scales.shape == (2,)
    assert np.abs(levels.reshape(2, -1)).max(1).tolist() == [127, 127]
    restored = levels * np.repeat(scales, 9)[:, None, None, None]
    assert np.abs(restored - weight).max() <= scales.max() / 2 + 1e-7


def test_rows_of_zeros_leave_a_bias_room() -> None:
    weight = np.zeros((18, 4, 1, 1), np.float32)
    weight[:9] = 0.5
    levels, scales = quantize_rows(weight, 9)
    assert not levels[9:].any()
    assert scales[1] == scales[0]  # in steps of it, a bias fits into 32 bits
    zero, scales = quantize_rows(weight[9:], 9)
    assert not zero.any()
    assert scales.tolist() == pytest.approx([1 / 127])


def test_every_convolution_of_the_edge_generator_becomes_8_bit(edge_int8) -> None:
    float_operators = [node.op_type for node in onnx.load(EDGE).graph.node]
    assert edge_int8.float_layers == []
    assert edge_int8.operators == {
        "Conv": float_operators.count("Conv"),
        "QuantizedGatedPredictedConv": float_operators.count("GatedPredictedConv"),
        "QuantizedPredictedConv": float_operators.count("PredictedConv"),
    }
    model = onnx.load(edge_int8.path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["layoutrt.precision"] == "int8"
    assert properties["layoutrt.target"] == "onnxruntime"
    assert not {"PredictedConv", "GatedPredictedConv"} & {node.op_type for node in model.graph.node}
    onnx.checker.check_model(model)


def test_no_float_convolution_is_left_in_what_onnxruntime_executes(edge_int8, executed_operators) -> None:
    operators = executed_operators(edge_int8.path)
    assert operators.count("QLinearConv") == edge_int8.operators["Conv"]
    assert not {"Conv", "FusedConv"} & set(operators)


def test_the_8_bit_edge_generator_keeps_the_picture(edge_int8) -> None:
    layout = Drive(CAMVID, 96, 128).frame(7)[None]
    with Session(edge_int8.path, threads=1) as int8, Session(EDGE, threads=1) as fp32:
        images = [session.run(labels=layout)["image"].astype(np.float64) for session in (int8, fp32)]
    difference = images[0] - images[1]
    assert 0 < (difference**2).mean() < 255**2 / 10**3  # PSNR above 30 dB, and not the same file
    assert np.abs(difference.reshape(-1, 3).mean(0)).max() < 1.5


def test_function_bodies_give_what_the_native_operators_give(edge_int8) -> None:
    layout = Drive(CAMVID, 64, 64).frame(3)[None]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    alone = onnxruntime.InferenceSession(str(edge_int8.path), options, providers=["CPUExecutionProvider"])
    with Session(edge_int8.path, threads=1) as native:
        ours = native.run(labels=layout)["image"].astype(int)
    difference = np.abs(ours - alone.run(None, {"labels": layout})[0])
    # A value between two levels may round either way, and later layers carry it on.
    assert difference.mean() < 0.5


def test_a_file_carries_the_bodies_that_its_bodies_call(tmp_path) -> None:
    plain = [node.name for node in onnx.load(EDGE).graph.node if node.op_type == "PredictedConv"]
    done = calibrate("camvid-edge", "drive:1", tmp_path / "edge.onnx", keep=plain, threads=1)
    model = onnx.load(done.path)
    assert "QuantizedPredictedConv" not in {node.op_type for node in model.graph.node}
    assert "QuantizedPredictedConv" in {function.name for function in model.functions}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(done.path), options, providers=["CPUExecutionProvider"])


def test_nodes_that_are_kept_stay_in_float(tiny_model, layouts, tmp_path, executed_operators) -> None:
    model = onnx.load(tiny_model)
    kept = [node.name for node in model.graph.node if node.op_type == "Conv"][-1]
    done = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", keep=[kept], threads=1)
    assert done.float_layers == [kept]
    quantized = onnx.load(done.path)
    (node,) = (node for node in quantized.graph.node if node.name == kept)
    weights = {tensor.name: tensor for tensor in quantized.graph.initializer}
    assert numpy_helper.to_array(weights[node.input[1]]).dtype == np.float32
    operators = executed_operators(done.path)
    assert sum(name in ("Conv", "FusedConv") for name in operators) == 1


def test_ranges_are_those_of_all_inputs(tiny_model) -> None:
    model = onnx.load(tiny_model)
    drive = Drive(CAMVID, 64, 96)
    inputs = [{"labels": drive.frame(index)[None]} for index in (0, 40)]
    names = tensors_to_measure(model)
    both = collect_ranges(model, names, inputs, threads=1)
    each = [collect_ranges(model, names, [one], threads=1) for one in inputs]
    assert both.keys() == set(names)
    for name, limits in both.items():
        assert limits.low == min(one[name].low for one in each)
        assert limits.high == max(one[name].high for one in each)


def test_quantization_depends_on_nothing_but_model_and_ranges(tiny_model) -> None:
    made = []
    for _ in range(2):
        model = onnx.load(tiny_model)
        names = tensors_to_measure(model)
        quantize(model, {name: Range(-1.0, 2.0) for name in names})
        made.append(model.SerializeToString(deterministic=True))
    assert made[0] == made[1]


def test_a_segmenter_is_calibrated_on_images(data_folder, tmp_path) -> None:
    images = data_folder / "camvid/val/images"
    done = calibrate("camvid-seg", str(images), tmp_path / "seg.onnx", frames=4, threads=1)
    # The last one rules the void class out by a bias that no 8 bits hold beside the others.
    assert done.operators == {"Conv": 24}
    assert len(done.float_layers) == 1
    (file,) = sorted(images.iterdir())[:1]
    image = cv2.resize(cv2.imread(str(file)), (256, 192), interpolation=cv2.INTER_AREA)
    frame = np.ascontiguousarray(image[None, ..., ::-1])
    with Session(done.path, threads=1) as int8, Session(SEGMENTER, threads=1) as fp32:
        labels = [session.run(frame=frame)["labels"] for session in (int8, fp32)]
    assert (labels[0] == labels[1]).mean() > 0.97
