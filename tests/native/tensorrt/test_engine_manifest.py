"""The manifest of an engine as the native library reads it: it refuses in the words of the Python runner."""

from __future__ import annotations

import copy
import ctypes
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from layoutrt.artifacts import engine_manifest
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends import native_bindings

NATIVE = Path(__file__).resolve().parents[3] / "runtime" / "native"
SOURCES = [NATIVE / "formats" / f"{name}.cpp" for name in ("engine_manifest", "json", "sha256")]
ENGINE = bytes(range(256)) * 3

HOST = {
    "tensorrt": "10.3.0",
    "gpu_name": "Orin",
    "compute_capability": "8.7",
    "operator_library": "0.1.0",
}

MANIFEST: dict[str, Any] = {
    "format": 1,
    "layoutrt": "0.1.0",
    "tensorrt": "10.3.0.26",
    "cuda": "12.6",
    "gpu": {"name": "Orin", "compute_capability": "8.7"},
    "version_compatible": False,
    "hardware_compatible": "none",
    "dla": False,
    "operator_library": "0.1.0",
    "precision": "int8",
    "onnx": {"file": "m.trt.onnx", "sha256": "00"},
    "engine_sha256": hashlib.sha256(ENGINE).hexdigest(),
    "engine_bytes": len(ENGINE),
    "inputs": [{"name": "labels", "dtype": "uint8", "min": [1, 8, 8], "opt": [1, 8, 8], "max": [1, 8, 8]}],
    "outputs": [{"name": "image", "dtype": "uint8", "shape": [1, 8, 8, 3]}],
    "workspace_mb": None,
    "build_seconds": 12.5,
    "built": "2026-11-26T08:00:00Z",
    "metadata": {"layoutrt.format": "1", "note": 'a "quoted" \u00e9'},
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = shutil.which("g++") or shutil.which("c++")
    if found is None:
        pytest.skip("there is no C++ compiler")
    made = tmp_path_factory.mktemp("program") / "test_engine_manifest"
    include = [f"-I{NATIVE}", f"-I{NATIVE / 'include'}"]
    flags = ["-std=c++17", "-O0", "-Wall", "-Wextra", "-Werror", *include]
    sources = [Path(__file__).with_name("test_engine_manifest.cpp"), *SOURCES]
    subprocess.run([found, *flags, *map(str, sources), "-o", str(made)], check=True)
    return made


def changed(**values: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(MANIFEST)
    for name, value in values.items():
        if name == "compute_capability":
            manifest["gpu"][name] = value
        elif value is ...:
            del manifest[name]
        else:
            manifest[name] = value
    return manifest


CASES: dict[str, tuple[Any, dict[str, str], str]] = {
    "fits": (MANIFEST, {}, ""),
    "build number": (changed(tensorrt="10.3.0"), {"tensorrt": "10.3.0"}, ""),
    "older": (MANIFEST, {"tensorrt": "10.3.1"}, "was built with TensorRT 10.3.0.26 and this is 10.3.1"),
    "minor": (MANIFEST, {"tensorrt": "10.10.0"}, "TensorRT 10.3.0.26"),
    "major": (
        MANIFEST,
        {"tensorrt": "11.3.0"},
        "build it again here: layoutrt build-engine m.trt.onnx --out",
    ),
    "compatible": (changed(version_compatible=True), {"tensorrt": "10.10.0"}, ""),
    "compatible backwards": (changed(version_compatible=True), {"tensorrt": "10.2.9"}, "TensorRT"),
    "compatible major": (changed(version_compatible=True), {"tensorrt": "11.4.0"}, "TensorRT"),
    "gpu": (MANIFEST, {"compute_capability": "8.9", "gpu_name": "RTX 4090"}, "this GPU has 8.9 (RTX 4090)"),
    "ampere plus": (changed(hardware_compatible="ampere_plus"), {"compute_capability": "12.0"}, ""),
    "turing": (changed(hardware_compatible="ampere_plus"), {"compute_capability": "7.5"}, "has 7.5"),
    "same": (changed(hardware_compatible="same_compute_capability"), {"gpu_name": "another"}, ""),
    "other": (changed(hardware_compatible="same_compute_capability"), {"compute_capability": "8.6"}, "8.6"),
    "operators": (MANIFEST, {"operator_library": "0.2.0"}, "operator library of layoutrt 0.1.0"),
    "truncated": (changed(engine_bytes=len(ENGINE) + 1), {}, "has 768 bytes where its manifest says 769"),
    "replaced": (changed(engine_sha256="0" * 64), {}, "the SHA-256 differs"),
    "newer": (changed(format=2, layoutrt="0.9.0"), {}, "newer layoutrt (manifest format 2, version 0.9.0)"),
    "a newer field": (MANIFEST | {"color": [1.5, None]}, {}, ""),
    "lacks a field": (changed(engine_sha256=...), {}, "is not an engine manifest"),
    "lacks its format": (changed(format=...), {}, "is not an engine manifest"),
    "a word for a format": (changed(format="1"), {}, "is not an engine manifest"),
    "a version of letters": (changed(tensorrt="ten.3.0"), {}, "is not an engine manifest"),
    "a version of two": (changed(tensorrt="10.3"), {}, "is not an engine manifest"),
    "a capability of one": (changed(compute_capability="8"), {}, "is not an engine manifest"),
    "no JSON": ("{", {}, "is not an engine manifest"),
    "a list": ([], {}, "is not an engine manifest"),
    "missing": (None, {}, "has no manifest m.engine.json beside it"),
}


def python_says(engine: Path, host: dict[str, str]) -> str:
    try:
        engine_manifest.check_engine(engine, engine_manifest.read_manifest(engine), **host)
    except LayoutRTError as error:
        return str(error)
    return ""


def test_both_loaders_say_the_same(program: Path, tmp_path: Path) -> None:
    engine = tmp_path / "m.engine"
    engine.write_bytes(ENGINE)
    manifest_file = tmp_path / "m.engine.json"
    for name, (manifest, host, sentence) in CASES.items():
        manifest_file.unlink(missing_ok=True)
        if manifest is not None:
            manifest_file.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
        here = HOST | host
        arguments = [here[key] for key in ("tensorrt", "gpu_name", "compute_capability", "operator_library")]
        done = subprocess.run([program, engine, *arguments], check=True, capture_output=True, text=True)
        native = done.stdout.rstrip("\n")
        assert (sentence in native) if sentence else native == "", f"{name}: {native}"
        assert native == python_says(engine, here), name
    engine.unlink()
    done = subprocess.run([program, engine, *HOST.values()], check=True, capture_output=True, text=True)
    assert done.stdout.startswith(f"the engine {engine} does not exist; build it with")


def test_the_hash_is_right_for_every_length(program: Path, tmp_path: Path) -> None:
    engine = tmp_path / "m.engine"
    for length in (0, 1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1000):
        content = ENGINE[:length] if length <= len(ENGINE) else ENGINE * 2
        engine.write_bytes(content)
        manifest = changed(engine_sha256=hashlib.sha256(content).hexdigest(), engine_bytes=len(content))
        (tmp_path / "m.engine.json").write_text(json.dumps(manifest))
        done = subprocess.run([program, engine, *HOST.values()], check=True, capture_output=True, text=True)
        assert done.stdout == "", length


def test_a_library_without_tensorrt_says_how_to_get_it(tmp_path: Path) -> None:
    native = native_bindings.load()
    if native.lrt_has_tensorrt():
        pytest.skip("the library was built with TensorRT")
    engine = tmp_path / "m.engine"
    session = ctypes.c_void_p()

    def sentence() -> str:
        assert native.lrt_session_create(str(engine).encode(), None, ctypes.byref(session)) != 0
        assert session.value is None
        return str(native.lrt_last_error().decode())

    assert "does not exist" in sentence()
    engine.write_bytes(ENGINE)
    assert "has no manifest m.engine.json" in sentence()
    (tmp_path / "m.engine.json").write_text(json.dumps(MANIFEST))
    assert "this liblayoutrt was built without TensorRT; install TensorRT's headers and CUDA" in sentence()


def test_no_damage_to_a_manifest_crashes(tmp_path: Path) -> None:
    native = native_bindings.load()
    engine = tmp_path / "m.engine"
    engine.write_bytes(ENGINE)
    text = json.dumps(MANIFEST).encode()
    damaged = [text[:end] for end in range(0, len(text), 3)]
    damaged += [text[:at] + bytes([text[at] ^ 0x55]) + text[at + 1 :] for at in range(0, len(text), 3)]
    session = ctypes.c_void_p()
    for content in damaged:
        (tmp_path / "m.engine.json").write_bytes(content)
        assert native.lrt_session_create(str(engine).encode(), None, ctypes.byref(session)) != 0
        assert native.lrt_last_error()
