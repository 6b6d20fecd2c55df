"""Partial sums: what they can reach inside an operator, beside what it returns."""

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.fp16.accumulations import collect_accumulations
from layoutrt.calib.observe.ranges import collect_ranges
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model
from layoutrt.operators.torch import spatially_varying_conv

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape, np.float32)


def single(
    node: onnx.NodeProto, inputs: dict[str, np.ndarray], constants: dict[str, np.ndarray]
) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, a.shape) for name, a in inputs.items()]
    output = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([node], "single", values, [output], weights)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("layoutrt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def measured(node: onnx.NodeProto, inputs: dict[str, np.ndarray], constants: dict[str, np.ndarray]) -> float:
    return collect_accumulations(single(node, inputs, constants), [inputs], threads=1)["sums"]


def test_a_convolution_adds_up_magnitudes_of_products_and_bias() -> None:
    x, weight, bias = normal(1, 4, 6, 6), normal(3, 4, 3, 3), normal(3)
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], "sums", pads=[1, 1, 1, 1])
    expected = F.conv2d(*(torch.tensor(np.abs(a)) for a in (x, weight, bias)), padding=1).max()
    assert measured(node, {"x": x}, {"w": weight, "b": bias}) == pytest.approx(float(expected), rel=1e-5)


def test_a_mean_adds_up_before_it_divides() -> None:
    x = normal(1, 4, 6, 8)
    node = helper.make_node("ReduceMean", ["x", "axes"], ["y"], "sums")
    expected = np.abs(x).sum((2, 3)).max()
    assert measured(node, {"x": x}, {"axes": np.array([2, 3])}) == pytest.approx(expected, rel=1e-5)
    pool = helper.make_node("GlobalAveragePool", ["x"], ["y"], "sums")
    assert measured(pool, {"x": x}, {}) == pytest.approx(expected, rel=1e-5)


def test_an_instance_norm_adds_up_squares() -> None:
    x = normal(1, 2, 6, 8) * 100
    node = helper.make_node("InstanceNormalization", ["x", "scale", "shift"], ["y"], "sums")
    expected = (x.astype(np.float64) ** 2).sum((2, 3)).max()
    constants = {"scale": normal(2), "shift": normal(2)}
    assert measured(node, {"x": x}, constants) == pytest.approx(expected, rel=1e-5)


def test_a_product_of_matrices_adds_up_with_its_factors() -> None:
    z, weight, bias = normal(1, 16), normal(8, 16), normal(8)
    node = helper.make_node("Gemm", ["z", "w", "b"], ["y"], "sums", transB=1, alpha=-2.0)
    expected = (2 * np.abs(z) @ np.abs(weight).T + np.abs(bias)).max()
    assert measured(node, {"z": z}, {"w": weight, "b": bias}) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("larger", ["predicting", "applying"])
def test_a_predicted_convolution_adds_up_twice(larger) -> None:
    x, h = normal(1, 2, 5, 5) * (100 if larger == "applying" else 0.01), normal(1, 3, 5, 5)
    constants = {"w": normal(18, 3, 1, 1), "b": normal(18), "scale": normal(2), "shift": normal(2)}
    node = helper.make_node("PredictedConv", ["x", "h", *constants], ["y"], "sums", domain="layoutrt")
    tensors = {name: torch.tensor(array) for name, array in {"x": x, "h": h, **constants}.items()}
    kernels = F.conv2d(tensors["h"], tensors["w"], tensors["b"])
    if larger == "predicting":
        constants["shift"][:] = 0
        expected = F.conv2d(*(tensors[name].abs() for name in ("h", "w", "b"))).max()
    else:
        normed = tensors["x"] * tensors["scale"][:, None, None] + tensors["shift"][:, None, None]
        expected = spatially_varying_conv.reference(normed.abs(), kernels.abs()).max()
    assert measured(node, {"x": x, "h": h}, constants) == pytest.approx(float(expected), rel=1e-4)


def test_a_spatially_varying_convolution_adds_up_products_with_the_norm_folded_in() -> None:
    x, w, constants = normal(1, 2, 5, 5), normal(1, 18, 5, 5), {"scale": normal(2), "shift": normal(2)}
    node = helper.make_node("SpatiallyVaryingConv", ["x", "w", *constants], ["y"], "sums", domain="layoutrt")
    normed = x * constants["scale"][:, None, None] + constants["shift"][:, None, None]
    expected = spatially_varying_conv.reference(torch.tensor(normed).abs(), torch.tensor(w).abs()).max()
    assert measured(node, {"x": x, "w": w}, constants) == pytest.approx(float(expected), rel=1e-5)


def test_sums_are_those_of_all_inputs_and_at_least_what_is_written() -> None:
    edge = lower(onnx.load(resolve_model("camvid-edge")))
    drive = Drive(label_set("camvid"), 64, 64)
    inputs = [{"labels": drive.frame(index)[None]} for index in (0, 40)]
    sums = collect_accumulations(edge, inputs, threads=1)
    each = [collect_accumulations(edge, [one], threads=1) for one in inputs]
    assert sums == {name: max(one[name] for one in each) for name in sums}
    summing = {
        node.name: node.output[0] for node in edge.graph.node if node.op_type in ("Conv", "PredictedConv")
    }
    assert summing.keys() <= sums.keys()
    ranges = collect_ranges(for_onnxruntime(edge), summing.values(), inputs, threads=1)
    for name, tensor in summing.items():
        assert sums[name] >= max(-ranges[tensor].low, ranges[tensor].high) * (1 - 1e-5)


def test_nothing_to_add_up_and_nothing_to_measure_on() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"], "positive")
    assert collect_accumulations(single(relu, {"x": normal(1, 2)}, {}), [], threads=1) == {}
    node = helper.make_node("Conv", ["x", "w"], ["y"], "sums")
    conv = single(node, {"x": normal(1, 2, 3, 3)}, {"w": normal(2, 2, 1, 1)})
    with pytest.raises(LayoutRTError, match="at least one input"):
        collect_accumulations(conv, [], threads=1)
