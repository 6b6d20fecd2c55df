"""Launches of kernels: the header that the emulation replaces, on CUDA's own headers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CUDA_INCLUDE = Path(os.environ.get("CUDA_PATH", "/usr/local/cuda"), "include")


def test_the_limit_of_shared_memory_is_the_devices_whatever_a_launch_needs(
    compiler: Callable[..., str], tmp_path: Path
) -> None:
    """Threads that launch a kernel with more and with less would else take it from each other."""
    if not (CUDA_INCLUDE / "cuda_runtime.h").is_file():
        pytest.skip("CUDA's headers are not installed")
    found = compiler("g++", "c++", flags=["-std=c++17"])
    command = [found, "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'runtime/native/cuda'}"]
    command += ["-isystem", str(CUDA_INCLUDE), str(ROOT / "tests/native/cuda/launch_limits.cpp")]
    subprocess.run([*command, "-o", str(tmp_path / "program")], check=True)
    printed = subprocess.run([tmp_path / "program"], check=True, capture_output=True, text=True).stdout
    launches = [tuple(map(int, line.split())) for line in printed.splitlines()]
    limits = {(device, shared): limit for device, shared, limit in launches}
    assert limits == {
        (0, 40 << 10): 0,
        (0, 50 << 10): 101376,
        (0, 90 << 10): 101376,
        (1, 40 << 10): 0,
        (1, 50 << 10): 232448,
        (1, 90 << 10): 232448,
    }
