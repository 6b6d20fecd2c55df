"""Weights as integers that no processor saturates on, rounded so that their errors cancel."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.calibrate import calibrate
from layoutrt.calib.observe import patch_moments
from layoutrt.calib.observe.patch_moments import collect_patch_moments
from layoutrt.calib.weight_rounding import LARGEST_LEVEL, round_rows
from layoutrt.errors import LayoutRTError
from layoutrt.models import resolve_model

RANDOM = np.random.default_rng(0)


def convolution_weights(path) -> list[np.ndarray]:
    """The integers that standard convolutions of an 8-bit file multiply by."""
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    sources = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    read = [
        sources[node.input[1]] for node in graph.node if node.op_type == "Conv" and node.input[1] in sources
    ]
    return [constants[name] for name in read]


def assert_no_pair_can_saturate(weights: list[np.ndarray]) -> None:
    assert weights
    for weight in weights:
        assert weight.dtype == np.int8
        # Any two may meet; 255 * 2 * largest is what 16 bits have to hold.
        assert 255 * 2 * int(np.abs(weight.astype(int)).max()) <= np.iinfo(np.int16).max


@pytest.mark.parametrize("name", ["camvid-edge-int8", "camvid-seg-int8"])
def test_no_two_products_of_a_shipped_file_saturate_16_bits(name) -> None:
    assert_no_pair_can_saturate(convolution_weights(resolve_model(name)))


def test_no_two_products_of_a_calibrated_file_saturate_16_bits(tiny_model, layouts, tmp_path) -> None:
    done = calibrate(tiny_model, str(layouts), tmp_path / "int8.onnx", threads=1)
    weights = convolution_weights(done.path)
    assert len(weights) == done.operators["Conv"]
    assert_no_pair_can_saturate(weights)


def test_inputs_that_go_their_own_ways_leave_the_nearest_levels() -> None:
    weight = RANDOM.standard_normal((5, 7, 3, 3), np.float32)
    nearest, scales = round_rows(weight)
    rounded, of_rounded = round_rows(weight, [np.eye(63, dtype=np.float32)])
    assert np.array_equal(rounded, nearest)
    assert np.array_equal(scales, of_rounded)
    assert np.abs(nearest).max() == LARGEST_LEVEL


def test_errors_cancel_where_inputs_go_together() -> None:
    inputs = np.abs(RANDOM.standard_normal((2000, 4)) @ RANDOM.standard_normal((4, 36)))
    weight = RANDOM.standard_normal((8, 4, 3, 3), np.float32)
    moments = (inputs.T @ inputs / len(inputs)).astype(np.float32)

    def error(levels, scales) -> float:
        rows = levels.reshape(8, -1) * scales[:, None] - weight.reshape(8, -1)
        return float(((inputs @ rows.T) ** 2).mean())

    assert error(*round_rows(weight, [moments])) < error(*round_rows(weight)) / 4


def test_blocks_are_rounded_each_by_its_own_inputs() -> None:
    weight = RANDOM.standard_normal((3, 6, 1, 1), np.float32)
    weight[:, 0] = weight[:, 3] = 4.0  # one scale for all of a row
    blocks = [np.cov(RANDOM.standard_normal((3, 50)) + RANDOM.standard_normal(50)) for _ in range(2)]
    together, _ = round_rows(weight, [block.astype(np.float32) for block in blocks])
    for index, block in enumerate(blocks):
        part = weight[:, 3 * index : 3 * index + 3]
        alone, _ = round_rows(part, [block.astype(np.float32)])
        assert np.array_equal(together[:, 3 * index : 3 * index + 3], alone)


def test_inputs_that_are_always_zero_leave_the_nearest_levels() -> None:
    weight = RANDOM.standard_normal((2, 3, 1, 1), np.float32)
    assert np.array_equal(round_rows(weight, [np.zeros((3, 3), np.float32)])[0], round_rows(weight)[0])


def convolution(kernel: int, *, channels: int = 2, **attributes) -> onnx.ModelProto:
    weight = RANDOM.standard_normal((3, channels, kernel, kernel), np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv", **attributes)]
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, None, None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_moments_are_those_of_what_a_convolution_reads() -> None:
    model = convolution(3, pads=[1, 1, 1, 1], strides=[2, 2])
    x = RANDOM.standard_normal(
        (1, 2, 1, 2), np.float32
    )  # one position: all but the first row of it is padding
    (moments,) = collect_patch_moments(model, [{"x": x}], threads=1)["conv"]
    patch = np.zeros((2, 3, 3), np.float32)
    patch[:, 1, 1:] = x[0, :, 0]
    assert moments == pytest.approx(np.outer(patch.ravel(), patch.ravel()), rel=1e-5)


def test_moments_tell_the_size_of_outputs(monkeypatch) -> None:
    monkeypatch.setattr(patch_moments, "POSITIONS", 40_000)
    model = convolution(3, pads=[1, 0, 1, 0], strides=[1, 2])
    inputs = [{"x": RANDOM.standard_normal((1, 2, 9, 12), np.float32) + 1} for _ in range(3)]
    (moments,) = collect_patch_moments(model, inputs, threads=1)["conv"]
    rows = numpy_helper.to_array(model.graph.initializer[0]).reshape(3, -1)
    expected = 0.0
    for arguments in inputs:
        padded = np.pad(arguments["x"][0], ((0, 0), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, :, ::2]
        outputs = np.einsum("ok,khw->ohw", rows, windows.transpose(0, 3, 4, 1, 2).reshape(18, 9, 5))
        expected = expected + (outputs**2).mean((1, 2)) / len(inputs)
    assert np.einsum("ok,kl,ol->o", rows, moments, rows) == pytest.approx(expected, rel=0.05)


def test_wide_layers_are_measured_in_blocks(monkeypatch) -> None:
    monkeypatch.setattr(patch_moments, "LARGEST_BLOCK", 20)
    model = convolution(3, channels=5)
    inputs = [{"x": RANDOM.standard_normal((1, 5, 8, 8), np.float32)}]
    blocks = collect_patch_moments(model, inputs, threads=1)["conv"]
    assert [len(block) for block in blocks] == [18, 18, 9]
    monkeypatch.setattr(patch_moments, "LARGEST_BLOCK", 1000)
    (whole,) = collect_patch_moments(model, inputs, threads=1)["conv"]
    assert blocks[1] == pytest.approx(whole[18:36, 18:36], rel=1e-5, abs=1e-6)


def test_what_is_not_finite_is_named() -> None:
    with pytest.raises(LayoutRTError, match="tensor x of"):
        collect_patch_moments(convolution(1), [{"x": np.full((1, 2, 4, 4), np.nan, np.float32)}], threads=1)


def test_groups_and_dilation_are_rounded_to_the_nearest_levels() -> None:
    inputs = [{"x": np.ones((1, 2, 8, 8), np.float32)}]
    assert collect_patch_moments(convolution(3, dilations=[2, 2]), inputs, threads=1) == {}
