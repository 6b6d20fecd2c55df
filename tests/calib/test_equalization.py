"""Equalization: the function stays, and channels get ranges alike."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.equalize.channel_scales import channel_groups
from layoutrt.calib.equalize.equalization import SMALLEST, equalize, equalizing_scales
from layoutrt.calib.observe.channel_statistics import ChannelStatistics, collect_channel_statistics
from layoutrt.calib.observe.intermediate_outputs import intermediate_session
from layoutrt.calib.observe.ranges import collect_ranges
from layoutrt.calib.ort.quantizer import tensors_to_measure
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model

FLOAT = TensorProto.FLOAT


def make_model(nodes, weights, shape=(1, 3, 8, 8), output="y") -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info(output, FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("layoutrt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def two_convolutions() -> onnx.ModelProto:
    """The second channel between them is a thousandth as large as the first."""
    random = np.random.default_rng(0)
    first = random.standard_normal((2, 3, 3, 3)).astype(np.float32)
    first[1] /= 1000
    weights = {
        "first": first,
        "bias": np.array([0.5, 0.0005], np.float32),
        "second": random.standard_normal((4, 2, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first", "bias"], ["a"], "conv_1", pads=[1] * 4),
        helper.make_node("LeakyRelu", ["a"], ["b"], "leaky", alpha=0.2),
        helper.make_node("Conv", ["b", "second"], ["y"], "conv_2"),
    ]
    return make_model(nodes, weights)


def run(model: onnx.ModelProto, tensors: list[str], **inputs: np.ndarray) -> dict[str, np.ndarray]:
    outputs = [helper.make_tensor_value_info(name, FLOAT, None) for name in tensors]
    with intermediate_session(model, [], outputs, threads=1) as session:
        return session.run(**inputs)


@pytest.fixture(scope="module")
def drive_inputs() -> list[dict[str, np.ndarray]]:
    drive = Drive(label_set("camvid"), 64, 64)
    return [{"labels": drive.frame(index)[None]} for index in (0, 30)]


def test_statistics_are_those_of_all_inputs_and_give_the_ranges(drive_inputs) -> None:
    model = onnx.load(resolve_model("camvid-edge"))
    names = tensors_to_measure(model)[:20]
    both = collect_channel_statistics(model, names, drive_inputs, threads=1)
    ranges = collect_ranges(model, names, drive_inputs, threads=1)
    assert {name: of.range for name, of in both.items()} == ranges
    values = [run(model, names, **inputs) for inputs in drive_inputs]
    for name in names:
        assert both[name].low.tolist() == np.minimum(*(of[name].min((0, 2, 3)) for of in values)).tolist()
        assert both[name].high.tolist() == np.maximum(*(of[name].max((0, 2, 3)) for of in values)).tolist()


def test_a_convolution_between_two_others_gets_channels_alike_and_computes_the_same() -> None:
    model = two_convolutions()
    x = np.random.default_rng(1).standard_normal((1, 3, 8, 8)).astype(np.float32)
    statistics = collect_channel_statistics(model, ["a", "b"], [{"x": x}], threads=1)
    assert statistics["b"].largest[0] > 100 * statistics["b"].largest[1]
    scales = equalizing_scales(model, statistics)
    np.testing.assert_array_equal(scales["a"], scales["b"])  # of one group
    np.testing.assert_allclose(scales["a"], [1, SMALLEST])
    equalized = equalize(model, scales)
    before, after = (run(m, ["b", "y"], x=x) for m in (model, equalized))
    np.testing.assert_allclose(after["y"], before["y"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(after["b"][:, 1], before["b"][:, 1] / SMALLEST, rtol=1e-5)
    np.testing.assert_allclose(
        statistics["b"].divided(scales["b"]).largest, np.abs(after["b"]).max((0, 2, 3)), rtol=1e-5
    )


@pytest.mark.parametrize("fixture", ["tiny_model", "tiny_full_model"])
def test_equalized_generators_make_the_same_image(request, fixture, drive_inputs) -> None:
    model = onnx.load(request.getfixturevalue(fixture))
    random = np.random.default_rng(0)
    inputs: dict[str, np.ndarray] = {"labels": random.integers(0, 3, (1, 64, 96), np.uint8)}
    if fixture == "tiny_full_model":
        inputs |= {"instances": inputs["labels"].astype(np.int32), "z": np.ones((1, 16), np.float32)}
    statistics = collect_channel_statistics(model, tensors_to_measure(model), [inputs], threads=1)
    scales = equalizing_scales(model, statistics)
    assert len(scales) > len(statistics) / 2
    assert min(of.min() for of in scales.values()) < 0.5
    before, after = (run_image(m, inputs) for m in (model, equalize(model, scales)))
    assert np.abs(before - after).max() <= 1
    assert before.std() > 1


def run_image(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    with intermediate_session(model, [], list(model.graph.output), threads=1) as session:
        return session.run(**inputs)["image"].astype(int)


def test_the_edge_generators_activations_use_their_range(drive_inputs) -> None:
    model = onnx.load(resolve_model("camvid-edge"))
    statistics = collect_channel_statistics(model, tensors_to_measure(model), drive_inputs, threads=1)
    scales = equalizing_scales(model, statistics)
    assert len(scales) > 0.9 * len(statistics)

    def median_share(of: dict[str, ChannelStatistics]) -> float:
        return float(np.median([np.median(s.largest) / s.largest.max() for s in of.values()]))

    equalized = {name: of.divided(scales[name]) for name, of in statistics.items() if name in scales}
    assert median_share(equalized) > 0.95 > 0.6 > median_share(statistics)


@pytest.mark.parametrize("reader", ["Sigmoid", "ArgMax", "Transpose"])
def test_a_tensor_that_something_else_reads_keeps_its_scale(reader) -> None:
    model = two_convolutions()
    model.graph.node.append(helper.make_node(reader, ["b"], ["other"], "other"))
    assert not any("b" in group.tensors for group in channel_groups(model))


def test_a_weight_of_two_nodes_keeps_its_scale() -> None:
    model = two_convolutions()
    model.graph.node.append(helper.make_node("Conv", ["b", "second"], ["again"], "conv_3"))
    assert not any("b" in group.tensors for group in channel_groups(model))


def test_a_grouped_convolution_keeps_its_scale() -> None:
    model = two_convolutions()
    model.graph.node[2].attribute.append(helper.make_attribute("group", 2))
    assert not any("b" in group.tensors for group in channel_groups(model))


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_activations_that_are_not_finite_are_named(value) -> None:
    model = two_convolutions()
    x = np.ones((1, 3, 8, 8), np.float32)
    for inputs in ([{"x": x * value}], [{"x": x}, {"x": x * value}]):
        for collect in (collect_channel_statistics, collect_ranges):
            with pytest.raises(LayoutRTError, match="the tensor a of the model is not finite"):
                collect(model, ["a", "b"], inputs, threads=1)
