"""A generator split into what depends on the layout and what depends on the latent."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
import torch

from layoutrt.artifacts.model_info import RENDER_FILE
from layoutrt.errors import LayoutRTError
from layoutrt.export.onnx_export.layout_cache import SPLIT_ID, Halves, render_path, split_model
from layoutrt.export.onnx_export.to_onnx import export_onnx, generator_model, set_metadata
from layoutrt.graph.cost import graph_cost
from layoutrt.graph.float_image import with_float_image
from layoutrt.layouts import LabelSet, label_set
from layoutrt.runtime.backends.native_bindings import operator_library
from layoutrt.train.checkpoint import save_generator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.semantics import semantic_tensor

LATENT = 12
TRIO = LabelSet("trio", label_set("camvid").labels[:3], dont_care=3, file_dont_care=255)
CLASSES = LabelSet("three", TRIO.labels)
CONFIGS = {
    "six levels, instances, 3x3 predictors": GeneratorConfig(
        4, instance_edges=True, width=4, hidden=6, latent=LATENT, image_height=64, image_width=96
    ),
    "seven levels, 1x1 predictors": GeneratorConfig(
        4,
        width=3,
        hidden=5,
        predictor_kernel=1,
        pyramid_levels=7,
        latent=LATENT,
        image_height=64,
        image_width=128,
    ),
}


class Split(NamedTuple):
    whole: onnx.ModelProto
    halves: Halves
    inputs: list[dict[str, np.ndarray]]
    """Two layouts, each with a latent."""


def random_inputs(config: GeneratorConfig, batch: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    shape = (batch, config.image_height, config.image_width)
    inputs: dict[str, np.ndarray] = {"labels": random.integers(0, 4, shape, np.uint8)}
    if config.instance_edges:
        inputs["instances"] = random.integers(0, 3, shape, np.int32)
    return inputs | {"z": random.standard_normal((batch, config.latent), np.float32)}


@pytest.fixture(scope="module", params=[(name, batch) for name, batch in zip(CONFIGS, (2, 1), strict=True)])
def split(request: pytest.FixtureRequest) -> Split:
    name, batch = request.param
    config = CONFIGS[name]
    torch.manual_seed(4)
    generator = Generator(config)
    inputs = [random_inputs(config, batch, seed) for seed in (0, 1)]
    given = {key: torch.from_numpy(value) for key, value in random_inputs(config, 2, 2).items()}
    with torch.no_grad():
        for _ in range(3):
            generator(semantic_tensor(given["labels"], 4, given.get("instances")), given["z"])
    size = (config.image_height, config.image_width)
    whole = generator_model(generator.eval(), TRIO, size=size, batch=batch)
    set_metadata(whole, {"layoutrt.kind": "generator", "layoutrt.checkpoint_sha256": "5" * 64})
    return Split(whole, split_model(whole, "model.onnx"), inputs)


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray], operators: bool = True) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if operators:
        options.register_custom_ops_library(str(operator_library()))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def run_layout_half(halves: Halves, inputs: dict[str, np.ndarray], **how: bool) -> dict[str, np.ndarray]:
    layout = {name: value for name, value in inputs.items() if name != "z"}
    names = [value.name for value in halves.layout.graph.output]
    return dict(zip(names, run(halves.layout, layout, **how), strict=True))


@pytest.mark.parametrize("operators", [True, False], ids=["our operators", "operator bodies"])
def test_halves_one_after_the_other_give_the_image_of_the_whole(split: Split, operators: bool) -> None:
    first, second = split.inputs
    tensors = run_layout_half(split.halves, first, operators=operators)
    for z in (first["z"], second["z"]):
        expected = [run(model, first | {"z": z})[0] for model in (split.whole, with_float_image(split.whole))]
        render = split.halves.render
        image, before_bytes = (
            run(model, tensors | {"z": z}, operators=operators)[0]
            for model in (render, with_float_image(render))
        )
        np.testing.assert_allclose(before_bytes, expected[1], atol=2e-6, rtol=0)
        assert np.abs(image.astype(int) - expected[0]).max() <= 1
        assert image.std() > 1, "an image of one color would hide every difference"


def test_tensors_of_another_layout_give_another_image(split: Split) -> None:
    first, second = split.inputs
    images = [run(split.halves.render, run_layout_half(split.halves, inputs) | {"z": first["z"]})[0]
              for inputs in (first, second)]  # fmt: skip
    assert (images[0] != images[1]).any()


def test_render_half_predicts_nothing(split: Split) -> None:
    operators = {node.op_type for node in split.halves.render.graph.node}
    assert "SpatiallyVaryingConv" in operators
    assert not {"GatedPredictedConv", "PredictedConv", "LayoutConv", "Sigmoid"} & operators
    size = tuple(dim.dim_value for dim in split.halves.layout.graph.input[0].type.tensor_type.shape.dim[1:])
    whole, layout, render = (
        graph_cost(model, size) for model in (split.whole, split.halves.layout, split.halves.render)
    )
    assert layout.flops > 3 * render.flops
    assert render.nodes == len(split.halves.render.graph.node), "an operator of ours counts as one node"
    # The conditional convolution itself is no arithmetic of the layout half, nor its predictor of the other.
    assert layout.flops + render.flops == pytest.approx(whole.flops, rel=0.01)
    assert layout.parameters + render.parameters >= whole.parameters


def test_layout_half_puts_out_what_the_render_half_takes(split: Split) -> None:
    outputs = [value.SerializeToString() for value in split.halves.layout.graph.output]
    latent, *inputs = split.halves.render.graph.input
    assert latent.name == "z"
    assert [value.SerializeToString() for value in inputs] == outputs
    tensors = run_layout_half(split.halves, split.inputs[0])
    assert split.halves.cached_bytes == sum(array.nbytes for array in tensors.values())


def test_a_weight_that_both_halves_use_is_in_both() -> None:
    model = onnx.parser.parse_model(
        """
        <ir_version: 10, opset_import: ["" : 20]>
        tiny (float[1, 2] z, float[1, 2] labels) => (float[1, 2] image)
        <float[2] shared = {3, 5}, float[1, 2] scaled>
        {
            two = Constant <value_float = 2.0> ()
            scaled = Mul(labels, shared)
            x = Mul(z, shared)
            half = Div(x, two)
            image = Add(half, scaled)
        }
        """
    )
    halves = split_model(model, "model.onnx")
    one = np.ones((1, 2), np.float32)
    tensors = run_layout_half(halves, {"labels": one})
    assert list(tensors) == ["scaled"]
    assert [node.op_type for node in halves.layout.graph.node] == ["Mul"]
    assert run(halves.render, tensors | {"z": 2 * one})[0].tolist() == [[6, 10]]


def test_files_name_each_other_and_share_an_id(tiny_full_model, tiny_split_model, tmp_path) -> None:
    checkpoint, out = tiny_full_model.with_name("generator.safetensors"), tmp_path / "model.onnx"
    report = export_onnx(checkpoint, out, cache_layout=True, compare=False)
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.render.onnx"}
    for written in tmp_path.iterdir():
        assert onnx.load(written) == onnx.load(tiny_split_model.with_name(written.name))
    assert report.halves
    assert report.halves.render_path == render_path(out) == tmp_path / "model.render.onnx"
    assert report.halves.layout.flops > report.halves.render.flops
    layout, render = (
        {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        for path in (out, render_path(out))
    )
    assert layout[RENDER_FILE] == "model.render.onnx"
    assert render["layoutrt.layout_file"] == "model.onnx"
    assert layout[SPLIT_ID] == render[SPLIT_ID]
    assert (layout["layoutrt.kind"], render["layoutrt.kind"]) == ("generator", "render half")


def test_ids_of_different_checkpoints_differ(split: Split) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(split.whole)
    set_metadata(other, {"layoutrt.kind": "generator", "layoutrt.checkpoint_sha256": "6" * 64})
    ids = [
        {entry.key: entry.value for entry in model.metadata_props}[SPLIT_ID]
        for model in (
            split.halves.layout,
            split_model(split.whole, "x.onnx").render,
            split_model(other, "x.onnx").layout,
        )
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_generator_without_latent_is_not_split(tmp_path: Path) -> None:
    config = GeneratorConfig(3, width=2, hidden=3, image_height=32, image_width=32)
    save_generator(tmp_path / "g.safetensors", Generator(config).state_dict(), config, CLASSES, {})
    with pytest.raises(LayoutRTError, match="for generators with a latent, and this model has none"):
        export_onnx(tmp_path / "g.safetensors", tmp_path / "m.onnx", cache_layout=True)
    assert not list(tmp_path.glob("*.onnx"))
