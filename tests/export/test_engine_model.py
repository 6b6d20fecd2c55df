"""Models that ``layoutrt build-engine`` accepts, and the shapes it builds for, without TensorRT."""

from __future__ import annotations

import json

import onnx
import pytest
from onnx import TensorProto, helper

from layoutrt.artifacts.model_info import onnx_model_info
from layoutrt.calib.calibrate import calibrate
from layoutrt.errors import LayoutRTError
from layoutrt.export.engine.model import read_engine_model
from layoutrt.export.engine.shapes import ProfileRequest, engine_inputs
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model


@pytest.fixture(scope="module")
def placed(tiny_model, tmp_path_factory):
    """``tiny_model`` in FP16, placed for TensorRT."""
    path = tmp_path_factory.mktemp("placed") / "tiny.trt.onnx"
    calibrate(str(tiny_model), "drive:1", path, precision="fp16", target="tensorrt")
    return path


def graph(inputs: dict[str, list[int | str]], kind: str = "generator", **config: int) -> onnx.ModelProto:
    """A model of which only inputs and metadata are looked at."""
    types = {"labels": TensorProto.UINT8, "frame": TensorProto.UINT8, "instances": TensorProto.INT32}
    values = [
        helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), dims)
        for name, dims in inputs.items()
    ]
    model = helper.make_model(helper.make_graph([], "g", values, []))
    config = {"image_height": 256, "image_width": 512, "pyramid_levels": 6} | config
    metadata = {"format": "1", "kind": kind, "config": json.dumps(config)}
    metadata["label_set"] = label_set("camvid").to_json()
    helper.set_model_props(model, {f"layoutrt.{key}": value for key, value in metadata.items()})
    return model


OPEN = graph({"labels": ["N", "H", "W"], "instances": ["N", "H", "W"], "z": ["N", 256]})


def shapes(tmp_path, model: onnx.ModelProto, *sizes, max_batch: int = 1) -> dict[str, list[list[int]]]:
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    found = engine_inputs(onnx_model_info(path, model), model, ProfileRequest(*sizes, max_batch=max_batch))
    return {entry.name: [entry.min, entry.opt, entry.max] for entry in found}


def test_a_placed_model_is_read_with_its_metadata(placed) -> None:
    info, model = read_engine_model(placed)
    assert info.path == placed
    assert len(model.graph.node) > 50
    assert (info.target, info.precision) == ("tensorrt", "fp16")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "camvid-edge",
            ("is the export in float32", "layoutrt calibrate camvid-edge --data", "--target tensorrt"),
        ),
        ("camvid-edge-int8", ("was calibrated for onnxruntime", "layoutrt calibrate FLOAT.onnx")),
    ],
)
def test_a_model_that_is_not_placed_for_tensorrt_is_refused_with_the_command(name, words) -> None:
    with pytest.raises(LayoutRTError) as raised:
        read_engine_model(name)
    for word in (str(resolve_model(name)), *words):
        assert word in str(raised.value)


def test_files_that_are_no_models_of_ours_are_refused(tmp_path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\xff\xff")
    (tmp_path / "b.engine").write_bytes(b"")
    (tmp_path / "c.safetensors").write_bytes(b"")
    foreign = helper.make_node("Relu", ["x"], ["y"])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    onnx.save(helper.make_model(helper.make_graph([foreign], "g", [value], [])), tmp_path / "d.onnx")
    for name, words in {
        "a.onnx": "truncated or not an ONNX model",
        "b.engine": "is an engine already",
        "c.safetensors": "is a checkpoint",
        "d.onnx": "was not made by layoutrt",
        "e.onnx": "no model .* exists",
    }.items():
        with pytest.raises(LayoutRTError, match=words):
            read_engine_model(tmp_path / name)


def test_each_broken_rule_of_tensorrts_parser_is_told(placed, tmp_path) -> None:
    model = onnx.load(placed)
    model.graph.node[3].op_type = "Hardmax"
    plugin = next(node for node in model.graph.node if node.domain)
    del plugin.attribute[:]
    onnx.save(model, tmp_path / "broken.onnx")
    with pytest.raises(LayoutRTError) as raised:
        read_engine_model(tmp_path / "broken.onnx")
    assert f"node {model.graph.node[3].name} is a Hardmax" in str(raised.value)
    assert f"node {plugin.name} lacks plugin_version 1" in str(raised.value)
    assert "calibrate the float model again" in str(raised.value)


def test_half_of_a_model_in_two_files_is_refused(placed, tmp_path) -> None:
    model = onnx.load(placed)
    model.metadata_props.add(key="layoutrt.render_file", value="x.onnx")
    onnx.save(model, tmp_path / "half.onnx")
    with pytest.raises(LayoutRTError, match="without --cache-layout"):
        read_engine_model(tmp_path / "half.onnx")


def test_weights_that_are_missing_beside_the_model_are_said(placed, tmp_path) -> None:
    from layoutrt.graph.onnx_file import save_model, weights_path

    path = tmp_path / "large.onnx"
    save_model(onnx.load(placed), path, apart_from=0)
    assert read_engine_model(path)[0].path == path
    weights_path(path).unlink()
    with pytest.raises(LayoutRTError, match=r"large\.onnx\.data of .* copy both files again"):
        read_engine_model(path)


def test_open_sizes_default_to_the_trained_one_and_every_input_follows(tmp_path) -> None:
    assert shapes(tmp_path, OPEN) == {
        "labels": [[1, 256, 512]] * 3,
        "instances": [[1, 256, 512]] * 3,
        "z": [[1, 256]] * 3,
    }


def test_sizes_and_the_batch_that_are_asked_for_are_taken(tmp_path) -> None:
    found = shapes(tmp_path, OPEN, (128, 128), (256, 256), (512, 512), max_batch=3)
    assert found["labels"] == [[1, 128, 128], [1, 256, 256], [3, 512, 512]]
    assert found["z"] == [[1, 256], [1, 256], [3, 256]]
    assert shapes(tmp_path, OPEN, (128, 128))["labels"] == [[1, 128, 128]] * 3
    assert shapes(tmp_path, OPEN, None, None, (512, 512))["labels"] == [[1, 512, 512]] * 3
    both = shapes(tmp_path, OPEN, (128, 128), None, (512, 512))["labels"]
    assert both == [[1, 128, 128], [1, 512, 512], [1, 512, 512]]


def test_a_fixed_model_keeps_its_size_and_batch(tmp_path) -> None:
    fixed = graph({"labels": [2, 64, 96], "z": [2, 16]})
    assert shapes(tmp_path, fixed) == {"labels": [[2, 64, 96]] * 3, "z": [[2, 16]] * 3}
    assert shapes(tmp_path, fixed, (64, 96))["labels"] == [[2, 64, 96]] * 3


def test_segmenters_have_frames_and_a_step_of_their_own(tmp_path) -> None:
    segmenter = graph({"frame": ["N", "H", "W", 3]}, "segmenter")
    assert shapes(tmp_path, segmenter, None, (48, 80))["frame"] == [[1, 48, 80, 3]] * 3
    with pytest.raises(LayoutRTError, match=r"--opt 40x80 does not fit .* multiples of 16"):
        shapes(tmp_path, segmenter, (32, 32), (40, 80), (80, 80))


@pytest.mark.parametrize(
    ("model", "sizes", "max_batch", "words"),
    [
        (OPEN, ((100, 128),), 1, "--min 100x128 does not fit .* multiples of 32"),
        (OPEN, ((512, 512), (256, 256), (512, 512)), 1, "in no order"),
        (OPEN, ((128, 512), (256, 256), (512, 512)), 1, "in no order"),
        (OPEN, (), 0, "--max-batch must be at least 1, got 0"),
        (graph({"labels": [1, 64, 96]}), (None, None, (128, 192)), 1, "is made for 64x96 .* --max 128x192"),
        (graph({"labels": [1, 64, 96]}), (), 4, "is made for a batch of 1"),
    ],
)
def test_shapes_that_cannot_be_are_one_sentence(tmp_path, model, sizes, max_batch, words) -> None:
    with pytest.raises(LayoutRTError, match=words):
        shapes(tmp_path, model, *sizes, max_batch=max_batch)
