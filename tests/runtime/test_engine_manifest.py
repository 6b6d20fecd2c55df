"""The manifest of an engine: what is read, what is refused, and that a copy that differs is noticed."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from layoutrt.artifacts.engine_manifest import (
    AMPERE_PLUS,
    NONE,
    SAME_COMPUTE_CAPABILITY,
    EngineInput,
    EngineManifest,
    EngineOutput,
    check_engine,
    read_manifest,
)
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.base import Spinning
from layoutrt.runtime.backends.native import NativeModel

PLAN = b"an engine"
MANIFEST = EngineManifest(
    layoutrt="0.1.0",
    tensorrt="10.3.0.26",
    cuda="12.6",
    gpu_name="Orin",
    compute_capability="8.7",
    version_compatible=False,
    hardware_compatible=NONE,
    dla=False,
    operator_library="0.1.0",
    precision="int8",
    onnx_file="street.trt.onnx",
    onnx_sha256="0" * 64,
    engine_sha256=hashlib.sha256(PLAN).hexdigest(),
    engine_bytes=len(PLAN),
    inputs=[EngineInput("labels", "uint8", [1, 64, 96], [1, 64, 96], [1, 192, 256])],
    outputs=[EngineOutput("image", "uint8", [-1, -1, -1, 3])],
    workspace_mb=None,
    build_seconds=12.3,
    built="2026-11-26T08:00:00Z",
    metadata={"layoutrt.kind": "generator"},
)
HERE = {
    "tensorrt": "10.3.0",
    "gpu_name": "Orin",
    "compute_capability": "8.7",
    "operator_library": "0.1.0",
}


def write(folder, manifest=MANIFEST, plan=PLAN):
    path = folder / "street.engine"
    path.write_bytes(plan)
    path.with_name("street.engine.json").write_text(json.dumps(manifest.as_json()))
    return path


def test_what_is_written_is_read_again(tmp_path) -> None:
    path = write(tmp_path)
    assert read_manifest(path) == MANIFEST
    check_engine(path, MANIFEST, **HERE)


def test_the_file_has_the_documented_keys(tmp_path) -> None:
    written = json.loads((write(tmp_path).with_name("street.engine.json")).read_text())
    assert written["gpu"] == {"name": "Orin", "compute_capability": "8.7"}
    assert written["onnx"] == {"file": "street.trt.onnx", "sha256": "0" * 64}
    assert written["inputs"][0] == {
        "name": "labels",
        "dtype": "uint8",
        "min": [1, 64, 96],
        "opt": [1, 64, 96],
        "max": [1, 192, 256],
    }
    assert set(written) == {
        "format", "layoutrt", "tensorrt", "cuda", "gpu", "version_compatible", "hardware_compatible", "dla",
        "operator_library", "precision", "onnx", "engine_sha256", "engine_bytes", "inputs", "outputs",
        "workspace_mb", "build_seconds", "built", "metadata",
    }  # fmt: skip


def test_keys_of_later_versions_of_the_same_format_are_passed_over(tmp_path) -> None:
    path = write(tmp_path)
    file = path.with_name("street.engine.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"mood": "good"}))
    assert read_manifest(path) == MANIFEST


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[1]", b"\xff\xfe", b"{}", b"[" * 100_000),
        *(b'{"format": 1}', b'{"format": "1"}', b'{"format": null}'),
    ],
)
def test_a_file_that_is_no_manifest_is_one_sentence(tmp_path, content) -> None:
    path = write(tmp_path)
    path.with_name("street.engine.json").write_bytes(content)
    with pytest.raises(LayoutRTError, match=r"street\.engine\.json is no manifest of an engine"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gpu", {"name": "Orin"}),
        ("inputs", [{"name": "x"}]),
        ("outputs", 3),
        ("tensorrt", "ten"),
        ("dla", 0),
        ("inputs", [{"name": "x", "dtype": "uint8", "min": [1], "opt": [1, 2], "max": [1, 2]}]),
        ("inputs", [{"name": "x", "dtype": "uint", "min": [1], "opt": [1], "max": [1]}]),
        ("outputs", [{"name": "y", "dtype": 3, "shape": [1]}]),
        ("outputs", [{"name": 3, "dtype": "uint8", "shape": [1]}]),
    ],
)
def test_a_manifest_with_a_damaged_entry_is_one_sentence(tmp_path, key, value) -> None:
    path = write(tmp_path)
    file = path.with_name("street.engine.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(LayoutRTError, match="no manifest of an engine"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("built", "compatible", "here", "fits"),
    [
        ("10.3.0.26", False, "10.3.0.30", True),
        ("10.3.0", False, "10.3.1", False),
        ("10.3.0", False, "11.4.0.106", False),
        ("10.3.0", True, "10.7.0", True),
        ("10.7.0", True, "10.3.0", False),
        ("10.3.0", True, "11.4.0", False),
    ],
)
def test_an_engine_fits_its_version_or_a_newer_one_of_its_major(tmp_path, built, compatible, here, fits):
    manifest = dataclasses.replace(MANIFEST, tensorrt=built, version_compatible=compatible)
    path = write(tmp_path, manifest)
    if fits:
        check_engine(path, manifest, **(HERE | {"tensorrt": here}))
        return
    with pytest.raises(LayoutRTError) as raised:
        check_engine(path, manifest, **(HERE | {"tensorrt": here}))
    assert str(raised.value) == (
        f"{path} was built with TensorRT {built} and this is {here}; build it again here: "
        "layoutrt build-engine street.trt.onnx --out street.engine"
    )


@pytest.mark.parametrize(
    ("built", "level", "here", "fits"),
    [
        ("8.7", NONE, "8.7", True),
        ("8.7", NONE, "8.9", False),
        ("8.9", SAME_COMPUTE_CAPABILITY, "8.9", True),
        ("8.9", SAME_COMPUTE_CAPABILITY, "9.0", False),
        ("8.6", AMPERE_PLUS, "12.0", True),
        ("8.9", AMPERE_PLUS, "8.0", True),
        ("8.6", AMPERE_PLUS, "7.5", False),
    ],
)
def test_an_engine_fits_its_gpu_or_those_it_was_built_for(tmp_path, built, level, here, fits) -> None:
    manifest = dataclasses.replace(MANIFEST, compute_capability=built, hardware_compatible=level)
    path = write(tmp_path, manifest)
    host = HERE | {"compute_capability": here, "gpu_name": "Other"}
    if fits:
        check_engine(path, manifest, **host)
        return
    with pytest.raises(LayoutRTError) as raised:
        check_engine(path, manifest, **host)
    assert str(raised.value) == (
        f"{path} was built for compute capability {built} (Orin) and this GPU has {here} (Other); build it "
        "again here: layoutrt build-engine street.trt.onnx --out street.engine"
    )


@pytest.mark.parametrize(
    ("plan", "words"),
    [(PLAN[:-1], "has 8 bytes where its manifest says 9"), (b"another o", "the SHA-256 differs")],
)
def test_a_truncated_or_mistaken_copy_is_noticed(tmp_path, plan, words) -> None:
    path = write(tmp_path, plan=plan)
    with pytest.raises(LayoutRTError, match=words):
        check_engine(path, MANIFEST, **HERE)


def test_an_engine_that_cannot_be_read_is_one_sentence(tmp_path, monkeypatch) -> None:
    def denied(path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    path = write(tmp_path)
    monkeypatch.setattr(type(path), "read_bytes", denied)
    with pytest.raises(LayoutRTError) as raised:
        check_engine(path, MANIFEST, **HERE)
    assert str(raised.value) == f"the file '{path}' cannot be read: Permission denied"


@pytest.mark.parametrize(
    "values",
    [
        {"format": 2, "layoutrt": "9.1"},
        {"format": "1"},
        {"gpu": 3},
        {"tensorrt": "ten"},
        {"metadata": {"a": 1}},
        {"metadata": None},
        {"dla": "no"},
        {"engine_bytes": "9"},
        None,
    ],
)
def test_the_native_library_refuses_with_the_same_sentences(tmp_path, values) -> None:
    path = write(tmp_path)
    file = path.with_name("street.engine.json")
    if values is None:
        file.unlink()
    else:
        file.write_text(json.dumps(json.loads(file.read_text()) | values))
    with pytest.raises(LayoutRTError) as here:
        read_manifest(path)
    with pytest.raises(LayoutRTError) as there:
        NativeModel(path, threads=1, affinity="", spinning=Spinning.NEVER)
    assert str(there.value) == str(here.value)


def test_commands_refuse_an_engine_where_tensorrt_is_missing(refuses, tmp_path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorrt", None)
    path = write(tmp_path)
    metadata = {
        "layoutrt.format": "1",
        "layoutrt.kind": "generator",
        "layoutrt.version": "0.1.0",
        "layoutrt.label_set": label_set_json(),
        "layoutrt.config": '{"image_height": 64, "image_width": 96, "pyramid_levels": 5}',
    }
    write(tmp_path, dataclasses.replace(MANIFEST, metadata=metadata))
    words = (f"running {path} needs TensorRT", "pip install 'layoutrt[tensorrt]'")
    refuses(("synthesize", path, "drive:1", "--out", tmp_path / "out"), *words)
    refuses(("demo", "--generator", path, "--frames", 1, "--out", tmp_path / "out"), *words)
    refuses(("verify", "camvid-edge", path, "--data", "drive:1"), *words)
    refuses(("estimate", path, "--device", "rtx-4090"), "is no ONNX file")
    assert not (tmp_path / "out").exists()


def label_set_json() -> str:
    from layoutrt.layouts import label_set

    return label_set("camvid").to_json()
