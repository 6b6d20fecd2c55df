"""Ranges without outliers, beside ONNX Runtime's own calibrators."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.calibrate import MinMaxCalibrater, PercentileCalibrater

from layoutrt.calib.observe import histograms
from layoutrt.calib.observe.histograms import collect_clipped_ranges
from layoutrt.calib.observe.ranges import collect_ranges


class Reader:
    """Inputs as ONNX Runtime's calibrators take them."""

    def __init__(self, inputs) -> None:
        self.inputs = iter(inputs)

    def get_next(self):
        return next(self.inputs, None)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    # What is measured is no input of the graph, as in a real model, where those are bytes.
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["input", "two"], ["x"], "double"),
            helper.make_node("Conv", ["x", "weight"], ["a"], "conv", pads=[1] * 4),
            helper.make_node("Relu", ["a"], ["y"], "relu"),
        ],
        "graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 32, 32])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(np.float32(2), "two")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(made, path)
    return made, path


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(1)
    return [{"input": random.standard_normal((1, 3, 32, 32)).astype(np.float32)} for _ in range(4)]


def theirs(calibrator_class, model, folder, inputs, **options):
    calibrator = calibrator_class(model[1], augmented_model_path=str(folder / "augmented.onnx"), **options)
    calibrator.augment_graph()
    calibrator.create_inference_session()
    calibrator.collect_data(Reader(inputs))
    return calibrator.compute_data()


def test_minmax_finds_what_onnxruntimes_calibrator_finds(model, inputs, tmp_path) -> None:
    ours = collect_ranges(model[0], ["x", "a", "y"], inputs, threads=1)
    expected = theirs(MinMaxCalibrater, model, tmp_path, inputs)
    for name, limits in ours.items():
        np.testing.assert_allclose(limits, np.array(expected[name].range_value).ravel(), rtol=1e-5)


def test_percentiles_are_those_of_onnxruntimes_calibrator_up_to_a_few_bins(model, inputs, tmp_path) -> None:
    ranges = collect_ranges(model[0], ["x", "a", "y"], inputs, threads=1)
    ours = collect_clipped_ranges(model[0], ranges, inputs, method="percentile", percentile=99, threads=1)
    expected = theirs(PercentileCalibrater, model, tmp_path, inputs, percentile=99)
    for name, clipped in ours.items():
        bin_width = 2 * max(-ranges[name].low, ranges[name].high) / 2048
        np.testing.assert_allclose(clipped.range, expected[name].range_value, atol=4 * bin_width)
        assert clipped.range.high < ranges[name].high


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_an_outlier_is_left_out_and_its_tensor_keeps_the_levels(model, inputs, method) -> None:
    spike = {"input": inputs[0]["input"].copy()}
    spike["input"][0, 0, 0, 0] = 20.0
    data = [*inputs, spike]
    ranges = collect_ranges(model[0], ["x"], data, threads=1)
    assert ranges["x"].high == 40.0
    (clipped,) = collect_clipped_ranges(
        model[0], ranges, data, method=method, percentile=99.9, threads=1
    ).values()
    assert 4 < clipped.range.high < 30


def test_groups_of_tensors_give_what_all_together_give(model, inputs, monkeypatch) -> None:
    ranges = collect_ranges(model[0], ["x", "a", "y"], inputs, threads=1)
    whole = collect_clipped_ranges(model[0], ranges, inputs, method="percentile", percentile=99, threads=1)
    monkeypatch.setattr(histograms, "GROUP_BYTES", 1)
    apart = collect_clipped_ranges(model[0], ranges, inputs, method="percentile", percentile=99, threads=1)
    assert apart == whole
    assert len({of.histogram_sha256 for of in whole.values()}) == 3


def test_a_constant_tensor_keeps_its_range(model) -> None:
    zeros = [{"input": np.zeros((1, 3, 32, 32), np.float32)}]
    ranges = collect_ranges(model[0], ["x", "a"], zeros, threads=1)
    for method in ("percentile", "entropy"):
        found = collect_clipped_ranges(model[0], ranges, zeros, method=method, percentile=99, threads=1)
        assert all(of.range == ranges[name] for name, of in found.items())
