"""Layer comparison: it finds the node that differs, and sees through what only scales channels."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.export.verification import layer_comparison
from layoutrt.export.verification.layer_comparison import CAP_DB, compare_layers
from layoutrt.layouts import label_set

EDGE = "layoutrt/models/camvid-edge.onnx"


@pytest.fixture(scope="module")
def inputs() -> list[dict[str, np.ndarray]]:
    drive = Drive(label_set("camvid"), 64, 96)
    return [{"labels": drive.frame(index)[None]} for index in (0, 30)]


def change(model: onnx.ModelProto, name: str, function: Callable[[np.ndarray], np.ndarray]) -> None:
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    changed = function(numpy_helper.to_array(tensor)).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(changed, name))


def test_a_model_beside_itself_parts_nowhere(inputs) -> None:
    found = compare_layers(onnx.load(EDGE), onnx.load(EDGE), inputs, threads=1)
    assert {layer.sqnr_db for layer in found.layers} == {CAP_DB}
    assert (found.first_below, found.largest_drop, found.unmatched) == (None, None, 0)
    assert len(found.layers) > 50
    assert all(len(layer.shape) == 4 for layer in found.layers)


@pytest.mark.parametrize("node", ["node_conv2d_5", "node_conv2d_15"])
def test_the_damaged_node_is_named(inputs, node) -> None:
    damaged = onnx.load(EDGE)
    (found_node,) = (entry for entry in damaged.graph.node if entry.name == node)
    # Channels in another order: no gain of a channel makes up for it.
    change(damaged, found_node.input[1], lambda weight: np.roll(weight, 7, axis=0))
    found = compare_layers(onnx.load(EDGE), damaged, inputs, threads=1)
    assert found.first_below is not None
    assert found.largest_drop is not None
    assert found.first_below.node == found.largest_drop.node == node
    before = [layer.sqnr_db for layer in found.layers]
    assert set(before[: found.layers.index(found.first_below)]) == {CAP_DB}
    assert found.worst(1)[0].sqnr_db < 20


def small_graph(
    nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], output: str = "y"
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8, 8])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def scaled_twice(gain: list[float]) -> onnx.ModelProto:
    """Multiplies channels by ``gain`` and then by its inverse."""
    scale = np.array(gain, np.float32).reshape(1, 2, 1, 1)
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["middle"], "multiply"),
        helper.make_node("Mul", ["middle", "inverse"], ["y"], "restore"),
    ]
    return small_graph(nodes, {"scale": scale, "inverse": 1 / scale})


def test_positive_factors_of_channels_are_no_difference_and_a_changed_sign_is() -> None:
    x = {"x": np.random.default_rng(0).standard_normal((1, 2, 8, 8), np.float32)}
    found = compare_layers(scaled_twice([1, 1]), scaled_twice([0.37, 5.1]), [x], threads=1)
    assert [layer.node for layer in found.layers] == ["multiply", "restore"]
    assert min(layer.sqnr_db for layer in found.layers) > 100
    found = compare_layers(scaled_twice([1, 1]), scaled_twice([1, -1]), [x], threads=1)
    power = np.square(x["x"].astype(float)).sum((0, 2, 3))
    assert found.layers[0].sqnr_db == pytest.approx(10 * np.log10(power.sum() / power[1]))
    assert found.layers[1].sqnr_db == CAP_DB


def test_the_ratio_is_that_of_the_noise_over_all_frames() -> None:
    random = np.random.default_rng(1)
    frames = [{"x": random.standard_normal((1, 2, 8, 8), np.float32)} for _ in range(3)]
    add = [helper.make_node("Add", ["x", "offset"], ["y"], "add")]
    noise = random.standard_normal((1, 2, 8, 8)).astype(np.float32) * 0.1
    clean, noisy = (small_graph(add, {"offset": offset}) for offset in (noise * 0, noise))
    found = compare_layers(clean, noisy, frames, threads=1)
    signal = error = 0.0
    for channel in range(2):
        a = np.concatenate([frame["x"][0, channel].ravel() for frame in frames]).astype(float)
        b = np.concatenate([(frame["x"] + noise)[0, channel].ravel() for frame in frames]).astype(float)
        signal += (a**2).sum()
        error += ((a - b * (a @ b) / (b @ b)) ** 2).sum()
    assert found.layers[0].sqnr_db == pytest.approx(10 * np.log10(signal / error), rel=1e-6)
    assert found.frames == 3


def test_a_tensor_is_compared_with_its_dequantized_form() -> None:
    constants = {"scale": np.array(0.02, np.float32), "zero": np.array(128, np.uint8)}
    plain = small_graph(
        [
            helper.make_node("Relu", ["x"], ["middle"], "relu"),
            helper.make_node("Neg", ["middle"], ["y"], "neg"),
        ],
        {},
    )
    quantized = small_graph(
        [
            helper.make_node("Relu", ["x"], ["middle_float"], "relu"),
            helper.make_node("QuantizeLinear", ["middle_float", "scale", "zero"], ["middle_quantized"]),
            helper.make_node(
                "DequantizeLinear", ["middle_quantized", "scale", "zero"], ["middle_dequantized"]
            ),
            helper.make_node("Neg", ["middle_dequantized"], ["y"], "neg"),
        ],
        constants,
    )
    x = {"x": np.random.default_rng(2).uniform(-2, 2, (1, 2, 8, 8)).astype(np.float32)}
    for first, second in ((plain, quantized), (quantized, plain)):
        copies = [onnx.ModelProto.FromString(model.SerializeToString()) for model in (first, second)]
        found = compare_layers(copies[0], copies[1], [x], threads=1)
        assert [(layer.tensor, layer.node) for layer in found.layers] == [("middle", "relu"), ("y", "neg")]
        # Half a level of 0.02 at most.
        assert 35 < found.layers[0].sqnr_db < 60
        assert found.largest_drop == found.layers[0]


def test_tensors_are_fetched_in_groups_of_bounded_size(inputs, monkeypatch) -> None:
    whole = compare_layers(onnx.load(EDGE), onnx.load(EDGE), inputs[:1], threads=1)
    monkeypatch.setattr(layer_comparison, "GROUP_BYTES", 1 << 20)
    shapes = {layer.tensor: layer.shape for layer in whole.layers}
    groups = list(layer_comparison._groups(shapes))
    assert len(groups) > 3
    assert [name for group in groups for name in group] == list(shapes)
    for group in groups:
        size = sum(8 * int(np.prod(shapes[name])) for name in group)
        assert size <= 1 << 20 or len(group) == 1
    assert compare_layers(onnx.load(EDGE), onnx.load(EDGE), inputs[:1], threads=1) == whole


def test_a_class_that_is_ruled_out_hides_no_other(data_folder) -> None:
    from layoutrt.calib.observe.calibration_inputs import segmenter_inputs
    from layoutrt.inputs import find_frames

    frames = list(segmenter_inputs(find_frames(data_folder / "camvid/val", "val"), 1, (64, 96)))
    path, damaged = "layoutrt/models/camvid-seg.onnx", onnx.load("layoutrt/models/camvid-seg.onnx")
    change(damaged, "network.classify.weight", lambda weight: np.roll(weight, 1, axis=1))
    found = compare_layers(onnx.load(path), damaged, frames, threads=1)
    assert found.first_below is not None
    assert found.first_below.node == "node_conv2d_24"


def test_graphs_without_a_common_tensor_are_refused() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["other"], "neg")]
    x = {"x": np.ones((1, 2, 8, 8), np.float32)}
    with pytest.raises(LayoutRTError, match="no tensor of one name and shape"):
        compare_layers(scaled_twice([1, 1]), small_graph(nodes, {}, "other"), [x], threads=1)
