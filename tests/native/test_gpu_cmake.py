"""CMake on a machine that has TensorRT's headers and CUDA, or only one of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NVCC = "/usr/local/cuda/bin/nvcc"
TOOLS = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])  # and no nvcc
NO_NVCC = {"CUDACXX": "/absent/nvcc"}
VERSION = """
#define NV_TENSORRT_MAJOR 10
#define NV_TENSORRT_MINOR 3
#define NV_TENSORRT_PATCH 0
"""


def configure(folder: Path, *options: str, **environment: str) -> tuple[int, str]:
    """Exit status and output, the latter on one line."""
    cmake = shutil.which("cmake", path=TOOLS)
    if cmake is None or shutil.which("ninja", path=TOOLS) is None:
        pytest.skip("cmake or ninja is not installed")
    (folder / "include").mkdir(exist_ok=True)
    (folder / "include" / "NvInfer.h").touch()
    (folder / "include" / "NvInferVersion.h").write_text(VERSION)
    command = [cmake, "-S", str(ROOT), "-B", str(folder / "build"), "-G", "Ninja", *options]
    variables = {key: value for key, value in os.environ.items() if key not in ("CUDACXX", "CUDA_PATH")}
    variables |= {"PATH": TOOLS, "TENSORRT_ROOT": str(folder)} | environment
    result = subprocess.run(command, env=variables, capture_output=True, text=True)
    return result.returncode, " ".join((result.stdout + result.stderr).split())


def test_headers_without_nvcc_are_said_and_the_cpu_is_left(tmp_path: Path) -> None:
    status, output = configure(tmp_path, **NO_NVCC)
    assert status == 0
    assert f"TensorRT's headers are in {tmp_path}/include but nvcc was not found; install CUDA" in output
    assert "layoutrt runs on the CPU only" in output


def test_a_missing_nvcc_ends_a_build_that_must_have_one(tmp_path: Path) -> None:
    status, output = configure(tmp_path, "-DLAYOUTRT_CUDA=ON", **NO_NVCC)
    assert status != 0
    assert "LAYOUTRT_CUDA is ON but nvcc was not found; install CUDA" in output


@pytest.mark.slow
def test_nvcc_is_found_off_the_path_and_must_be_new_enough(tmp_path: Path) -> None:
    if not Path(NVCC).is_file():
        pytest.skip(f"{NVCC} does not exist")
    status, output = configure(tmp_path, "-DLAYOUTRT_OLDEST_CUDA=99.1")
    assert status == 0
    assert "nvcc is of CUDA " in output
    assert "install CUDA 99.1 or newer" in output
