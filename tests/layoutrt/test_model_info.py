"""One description for an ONNX file, an engine and a checkpoint, and one sentence for what is none."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest

from layoutrt.artifacts.engine_manifest import EngineInput, EngineManifest, EngineOutput, manifest_path
from layoutrt.artifacts.info import describe
from layoutrt.artifacts.model_info import ModelInfo, read_model_info
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.models import resolve_checkpoint, resolve_model

CAMVID = label_set("camvid")
CONFIG = {"num_classes": 12, "pyramid_levels": 6, "image_height": 64, "image_width": 96}
METADATA = {
    "format": "1",
    "version": "0.1.0",
    "kind": "generator",
    "config": json.dumps(CONFIG),
    "label_set": CAMVID.to_json(),
}


def write_checkpoint(path: Path, **changes: str | None) -> Path:
    """A safetensors file with our metadata, in which None leaves a key out."""
    metadata = {f"layoutrt.{key}": text for key, text in (METADATA | changes).items() if text is not None}
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "__metadata__": metadata}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    return path


def write_onnx(path: Path, source: str, **changes: str | None) -> Path:
    """A shipped model with other metadata."""
    model = onnx.load(resolve_model(source))
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    metadata |= {f"layoutrt.{key}": text or "" for key, text in changes.items()}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {key: text for key, text in metadata.items() if text})
    onnx.save(model, path)
    return path


def write_engine(path: Path, low: list[int], best: list[int], high: list[int]) -> Path:
    """The manifest of an engine of the shipped generator, beside a file that nobody looks into."""
    manifest = EngineManifest(
        layoutrt="0.1.0",
        tensorrt="10.3.0",
        cuda="12.6",
        gpu_name="Orin",
        compute_capability="8.7",
        version_compatible=False,
        hardware_compatible="none",
        dla=False,
        operator_library="0.1.0",
        precision="fp16",
        onnx_file="m.onnx",
        onnx_sha256="0" * 64,
        engine_sha256="1" * 64,
        engine_bytes=6,
        inputs=[EngineInput("labels", "uint8", low, best, high)],
        outputs=[EngineOutput("image", "uint8", [-1, -1, -1, 3])],
        workspace_mb=None,
        build_seconds=1.0,
        built="2026-01-01T00:00:00Z",
        metadata=dict(read_model_info("camvid-edge").metadata) | {"layoutrt.precision": "fp16"},
    )
    path.write_bytes(b"engine")
    manifest_path(path).write_text(json.dumps(manifest.as_json()))
    return path


def test_a_shipped_generator_is_an_edge_generator_of_any_size() -> None:
    info = read_model_info("camvid-edge")
    assert (info.format, info.kind, info.architecture) == ("onnx", "generator", "edge")
    assert (info.precision, info.target, info.batch, info.size) == ("fp32", None, None, None)
    assert (info.size_multiple, info.trained_size, info.run_size) == (32, (192, 256), (192, 256))
    assert (info.needs_instances, info.latent, info.label_set) == (False, 0, CAMVID)
    assert info.runs_alone
    assert (info.name, info.path) == ("camvid-edge", resolve_model("camvid-edge"))


def test_a_calibrated_segmenter_says_its_precision_and_target() -> None:
    info = read_model_info("camvid-seg-int8")
    assert (info.kind, info.architecture, info.size_multiple) == ("segmenter", None, 16)
    assert (info.precision, info.target) == ("int8", "onnxruntime")


@pytest.mark.parametrize(
    "fixture", ["tiny_model", "tiny_full_model", "tiny_dynamic_model", "tiny_batch_model"]
)
def test_shapes_and_metadata_are_those_that_onnx_runtime_reads(fixture, request) -> None:
    path = request.getfixturevalue(fixture)
    # Without optimization, and the operators as bodies of standard ones.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    inputs = {value.name: value.shape for value in session.get_inputs()}
    info = read_model_info(path)
    assert info.metadata == session.get_modelmeta().custom_metadata_map
    batch, height, width = (dim if isinstance(dim, int) else None for dim in inputs["labels"])
    assert (info.batch, info.size) == (batch, (height, width) if height else None)
    assert info.needs_instances == ("instances" in inputs)
    assert info.latent == (inputs["z"][1] if "z" in inputs else 0)


def test_the_halves_of_a_model_in_two_files_name_each_other(tiny_split_model) -> None:
    layout = read_model_info(tiny_split_model)
    assert layout.runs_alone
    assert layout.render_file
    render = read_model_info(tiny_split_model.with_name(layout.render_file))
    assert (render.kind, render.layout_file, render.runs_alone) == (
        "render half",
        tiny_split_model.name,
        False,
    )


def test_a_checkpoint_is_read_by_its_header_alone() -> None:
    info = read_model_info(resolve_checkpoint("camvid-seg"))
    exported = read_model_info("camvid-seg")
    assert (info.format, info.kind, info.precision) == ("checkpoint", "segmenter", "fp32")
    assert (info.size, info.trained_size, info.label_set) == (None, exported.trained_size, exported.label_set)
    assert info.config == exported.config


@pytest.mark.parametrize(
    ("name", "latent", "size"),
    [("cc-fpse", 0, None), ("cc-fpse", 16, (64, 96)), ("edge", 16, None), ("spade", 0, None)],
)
def test_a_checkpoint_has_one_size_where_its_architecture_says_so(name, latent, size, tmp_path) -> None:
    config = CONFIG | {"architecture": name, "latent": latent}
    info = read_model_info(write_checkpoint(tmp_path / "g.safetensors", config=json.dumps(config)))
    assert (info.architecture, info.latent, info.size) == (name, latent, size)


def test_an_encoder_is_not_something_that_runs_alone(tmp_path) -> None:
    config = json.dumps({"latent": 8, "image_height": 64, "image_width": 96})
    info = read_model_info(write_checkpoint(tmp_path / "e.safetensors", kind="encoder", config=config))
    assert (info.kind, info.latent, info.architecture, info.runs_alone) == ("encoder", 8, None, False)


def test_an_engine_is_read_from_its_manifest(tmp_path) -> None:
    info = read_model_info(write_engine(tmp_path / "m.engine", [1, 96, 128], [1, 192, 256], [2, 384, 512]))
    assert (info.format, info.kind, info.precision) == ("engine", "generator", "fp16")
    assert (info.batch, info.size, info.run_size) == (None, None, (192, 256))
    assert info.profile == ((96, 128), (192, 256), (384, 512))
    info.check_size((224, 256))
    with pytest.raises(LayoutRTError, match="built for 96x128 to 384x512 and not for 64x128"):
        info.check_size((64, 128))
    one = read_model_info(write_engine(tmp_path / "one.engine", *[[1, 192, 256]] * 3))
    assert (one.batch, one.size) == (1, (192, 256))
    assert describe(one.path)["what"] == "TensorRT engine: generator"


@pytest.mark.parametrize(
    ("model", "size", "words"),
    [
        ("camvid-edge", (100, 128), "camvid-edge cannot run at 100x128; .* multiples of 32"),
        ("camvid-edge", (0, 0), "cannot run at 0x0"),
        ("camvid-seg", (104, 128), "multiples of 16"),
    ],
)
def test_a_size_that_halving_does_not_divide_is_refused(model, size, words) -> None:
    with pytest.raises(LayoutRTError, match=words):
        read_model_info(model).check_size(size)


def test_a_size_other_than_the_graphs_is_refused(tiny_model) -> None:
    info: ModelInfo = read_model_info(tiny_model)
    info.check_size((64, 96))
    with pytest.raises(LayoutRTError, match="made for 64x96 and not 96x96; leave --size out"):
        info.check_size((96, 96))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "painter"}, "holds a 'painter', which this layoutrt does not know; upgrade"),
        ({"kind": "training"}, "is the state of a training run and not a model"),
        ({"kind": None}, "was not made by layoutrt"),
        ({"format": None}, "was not made by layoutrt"),
        ({"format": "2"}, "newer layoutrt .format 2, version 0.1.0.; upgrade"),
        ({"format": "new"}, "newer layoutrt"),
        ({"config": json.dumps(CONFIG | {"architecture": "gan"})}, "architecture 'gan' is not known; choose"),
        ({"config": json.dumps(CONFIG | {"architecture": ["edge"]})}, "incomplete metadata"),
        ({"config": json.dumps({"architecture": "edge"})}, "incomplete metadata .'image_height'."),
        ({"config": json.dumps(CONFIG | {"pyramid_levels": "six"})}, "incomplete metadata"),
        ({"config": json.dumps(CONFIG | {"latent": None})}, "incomplete metadata"),
        ({"config": "[]"}, "incomplete metadata"),
        ({"config": "{"}, "incomplete metadata"),
        ({"config": None}, "incomplete metadata .'config'."),
        ({"label_set": None}, "incomplete metadata .'label_set'."),
        ({"label_set": "{}"}, "label set"),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_what_the_metadata_do_not_say_is_refused_and_not_guessed(suffix, changes, words, tmp_path) -> None:
    path = tmp_path / f"model{suffix}"
    if suffix == ".onnx":
        write_onnx(path, "camvid-edge", **METADATA | changes)
    else:
        write_checkpoint(path, **changes)
    with pytest.raises(LayoutRTError, match=words) as raised:
        read_model_info(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.pth", b"x", "is not a model by its suffix; give an .onnx, .engine or .safetensors file"),
        ("model", b"x", "is not a model by its suffix"),
        ("model.onnx", b"", "truncated or not an ONNX model"),
        ("model.onnx", b"\xff\xff", "truncated or not an ONNX model"),
        ("model.safetensors", b"", "truncated or not a safetensors file"),
        ("model.engine", b"", "has no manifest model.engine.json beside it"),
        ("model.onnx", None, "there is no model .*camvid-edge"),
    ],
)
def test_a_file_of_another_format_is_refused(name, content, words, tmp_path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(LayoutRTError, match=words):
        read_model_info(tmp_path / name)


def test_an_engine_or_a_checkpoint_is_described_without_onnx_or_torch(tmp_path) -> None:
    engine = write_engine(tmp_path / "m.engine", *[[1, 192, 256]] * 3)
    code = (
        "import sys\n"
        "from layoutrt.artifacts.model_info import read_model_info\n"
        f"read_model_info({str(engine)!r}), read_model_info({str(resolve_checkpoint('camvid-seg'))!r})\n"
        "assert not {'onnx', 'torch', 'onnxruntime'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
