"""Exported files: their contents, their cost, and the models that export refuses."""

import json
import re
from pathlib import Path
from shutil import copy

import numpy as np
import onnx
import onnx.inliner
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.export.onnx_export.to_onnx import export_onnx, generator_model
from layoutrt.files import file_digest
from layoutrt.graph.cost import graph_cost
from layoutrt.graph.float_image import with_float_image
from layoutrt.layouts import LabelSet, label_set
from layoutrt.train.checkpoint import save_generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import build_generator

SIZE = (64, 96)


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def test_file_describes_itself(tiny_model, tiny_checkpoint) -> None:
    model = onnx.load(tiny_model)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["layoutrt.format"] == "1"
    assert properties["layoutrt.kind"] == "generator"
    assert properties["layoutrt.precision"] == "fp32"
    assert properties["layoutrt.size"] == "64x96"
    assert properties["layoutrt.checkpoint_sha256"] == file_digest(tiny_checkpoint)
    assert LabelSet.from_json(properties["layoutrt.label_set"]) == label_set("camvid")
    assert json.loads(properties["layoutrt.config"])["width"] == 4
    assert model.producer_name == "layoutrt"


def test_graph_is_the_pipeline_and_never_holds_one_hot_labels(tiny_model) -> None:
    model = onnx.load(tiny_model)
    (labels,), (image,) = model.graph.input, model.graph.output
    assert labels.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_value for dim in labels.type.tensor_type.shape.dim] == [1, 64, 96]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dim.dim_value for dim in image.type.tensor_type.shape.dim] == [1, 64, 96, 3]
    assert {"GatedPredictedConv", "LayoutConv"} <= operators(model)
    assert not {"OneHot", "ScatterElements", "BatchNormalization"} & operators(model)
    bodies = {"ConvToImage", "GatedPredictedConv", "LayoutConv", "PredictedConv"}
    assert {function.name for function in model.functions} == bodies


def test_file_keeps_no_trace_of_the_machine_it_was_made_on(tiny_model) -> None:
    assert b"site-packages" not in tiny_model.read_bytes()
    assert b"pipeline.py" not in tiny_model.read_bytes()


def test_export_is_smaller_than_the_network_exported_as_it_is(cli, tiny_checkpoint, tmp_path) -> None:
    out = tmp_path / "model.onnx"
    outcome = cli("export", tiny_checkpoint, "--out", out, "--size", "32x64")
    assert outcome.code == 0, outcome
    assert "cost of one image at 32x64" in outcome.out
    assert re.search(r"nodes +GFLOP +parameters", outcome.out)
    ours, straight = (
        re.search(rf"{row} +(\S+) +(\S+) +(\S+)", outcome.out) for row in ("this graph", "straight export")
    )
    assert ours
    assert straight
    cost = graph_cost(onnx.load(out), (32, 64))
    assert ours.groups() == (f"{cost.nodes:,}", f"{cost.flops / 1e9:.2f}", f"{cost.parameters:,}")
    assert cost.nodes < int(straight[1].replace(",", "")) / 3
    assert cost.flops < 1e9 * float(straight[2])
    assert '"labels": "uint8 [1, 32, 64]"' in cli("info", out, "--json", "-").out


def test_fused_half_blocks_cost_what_their_parts_cost() -> None:
    config = GeneratorConfig(
        12, width=4, hidden=4, predictor_kernel=1, architecture="edge", image_height=64, image_width=96
    )
    model = generator_model(build_generator(config).eval(), label_set("camvid"), size=SIZE)
    assert [node.op_type for node in model.graph.node].count("GatedPredictedConv") == 16
    parts = onnx.inliner.inline_selected_functions(model, [("layoutrt", "GatedPredictedConv")])
    assert [node.op_type for node in parts.graph.node].count("PredictedConv") == 17
    fused, apart = graph_cost(model, SIZE), graph_cost(parts, SIZE)
    assert fused.flops == apart.flops
    assert fused.nodes < apart.nodes


def test_the_last_convolution_costs_what_its_body_costs(tiny_model) -> None:
    model = onnx.load(tiny_model)
    parts = onnx.inliner.inline_selected_functions(model, [("layoutrt", "ConvToImage")])
    assert "Tanh" in operators(parts)
    assert graph_cost(model, SIZE).flops == graph_cost(parts, SIZE).flops


def test_the_float_image_is_the_only_output_of_its_model(tiny_model) -> None:
    model = onnx.load(tiny_model)
    made = with_float_image(model)
    (image,) = made.graph.output
    assert image.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [dim.dim_value for dim in image.type.tensor_type.shape.dim] == [1, 3, 64, 96]
    assert made.graph.node[-1].op_type == "Tanh"
    assert model == onnx.load(tiny_model)
    onnx.checker.check_model(made, full_check=True)
    made.graph.node.append(made.graph.node[-1])
    with pytest.raises(LayoutRTError, match="has 2 Tanh nodes where a generator has one"):
        with_float_image(made)


def test_flops_of_a_convolution_are_multiplications_and_additions() -> None:
    weight = onnx.numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), "weight")
    node = onnx.helper.make_node("Conv", ["x", "weight"], ["y"], pads=[1, 1, 1, 1])
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "one",
        [info("x", onnx.TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [info("y", onnx.TensorProto.FLOAT, ["N", 8, "H", "W"])],
        [weight],
    )
    cost = graph_cost(onnx.helper.make_model(graph), (10, 20))
    assert cost.flops == 2 * 3 * 9 * 8 * 10 * 20
    assert cost.parameters == 8 * 3 * 9
    assert cost.nodes == 1


def test_open_dimensions_cost_the_same_as_fixed_ones(tiny_model, tiny_dynamic_model) -> None:
    fixed, dynamic = (graph_cost(onnx.load(path), SIZE) for path in (tiny_model, tiny_dynamic_model))
    assert fixed == dynamic


def test_batch_of_a_fixed_size_is_as_asked(tiny_batch_model) -> None:
    labels = onnx.load(tiny_batch_model).graph.input[0]
    assert [dim.dim_value for dim in labels.type.tensor_type.shape.dim] == [2, 64, 96]


def test_a_size_that_the_generator_cannot_make_is_refused(tiny_checkpoint, tmp_path) -> None:
    sentence = "60x96 does not fit this generator; height and width must be multiples of 32"
    with pytest.raises(LayoutRTError, match=sentence):
        export_onnx(tiny_checkpoint, tmp_path / "m.onnx", size=(60, 96))
    assert list(tmp_path.iterdir()) == []


def test_a_latent_fixes_the_size(tiny_full_generator, extra_dont_care, tmp_path) -> None:
    checkpoint = tmp_path / "g.safetensors"
    save_generator(
        checkpoint, tiny_full_generator.state_dict(), tiny_full_generator.config, extra_dont_care, {}
    )
    with pytest.raises(LayoutRTError, match="makes one size only; export it with --size 64x96"):
        export_onnx(checkpoint, tmp_path / "m.onnx", dynamic=True)
    assert not (tmp_path / "m.onnx").exists()


def test_more_weights_than_protobuf_holds_are_refused(tiny_checkpoint, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("layoutrt.export.onnx_export.to_onnx.MOST_BYTES", 100)
    with pytest.raises(LayoutRTError, match=r"GB of weights, .* take 0.00 GB at most; train a narrower"):
        export_onnx(tiny_checkpoint, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_an_export_does_not_write_over_its_checkpoint(tiny_checkpoint, tmp_path, refuses) -> None:
    checkpoint = Path(copy(tiny_checkpoint, tmp_path))
    refuses(("export", checkpoint, "--out", checkpoint), "would overwrite", "choose another name")
    assert checkpoint.read_bytes() == tiny_checkpoint.read_bytes()
