"""Engines behind the C API: a toy TensorRT of the real headers' classes, a CUDA runtime on host memory."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from layoutrt.runtime.backends import native_bindings

CUDA_INCLUDE = Path(os.environ.get("CUDA_PATH", "/usr/local/cuda"), "include")


def test_engines_run_as_models_do(
    versions: list[Any], run_program: Callable[..., str], tmp_path: Path
) -> None:
    for version in versions:
        program = version.folder / "test_tensorrt_engine"
        assert " 0 failures" in run_program([program, version.nvinfer, tmp_path])


def test_engines_run_on_device_memory(
    versions: list[Any], run_program: Callable[..., str], tmp_path: Path
) -> None:
    for version in versions:
        program = version.folder / "test_tensorrt_device"
        assert " 0 failures" in run_program([program, version.nvinfer, tmp_path])


def test_what_does_not_fit_is_refused_in_a_sentence(
    versions: list[Any], run_program: Callable[..., str], tmp_path: Path
) -> None:
    for version in versions:
        others = [other.operator_library for other in versions if other.major != version.major]
        program = version.folder / "test_tensorrt_refusals"
        output = run_program([program, version.nvinfer, others[0] if others else "", tmp_path])
        assert " 0 failures" in output


def test_the_example_of_the_documentation_compiles(compiler: Callable[..., str], tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    if not CUDA_INCLUDE.is_dir():
        pytest.skip("CUDA's headers are not installed")
    examples = re.findall(r"```cpp\n(.*?)```", (root / "docs" / "tensorrt.md").read_text(), re.DOTALL)
    assert len(examples) == 1
    (tmp_path / "example.cpp").write_text(examples[0])
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    include = [f"-I{root / 'runtime/native/include'}", "-isystem", str(CUDA_INCLUDE)]
    found = compiler("g++", "c++", flags=["-std=c++17"])
    subprocess.run([found, *flags, *include, str(tmp_path / "example.cpp")], check=True)


def test_the_library_of_tensorrts_wheel_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "tensorrt_libs"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.delenv("LAYOUTRT_TENSORRT", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert native_bindings.tensorrt_library() is None
    for name in ("libnvinfer_plugin.so.10", "libnvinfer.so.10", "libnvinfer_builder_resource.so.10.3.0"):
        (package / name).touch()
    assert native_bindings.tensorrt_library() == package / "libnvinfer.so.10"
    monkeypatch.setenv("LAYOUTRT_TENSORRT", "/opt/libnvinfer.so.10")
    assert native_bindings.tensorrt_library() is None
