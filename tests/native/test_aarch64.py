"""The kernels of AArch64, in an emulator: NEON alone, and with its dot products of 8-bit integers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EMULATOR = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]


def test_kernels_of_aarch64_are_exact(
    compiler: Callable[..., str], build: Callable[..., Path], run_program: Callable[..., str]
) -> None:
    folder = build(
        "aarch64",
        ["test_operators", "test_training"],
        CMAKE_CXX_COMPILER=compiler("aarch64-linux-gnu-g++", flags=["-std=c++17"], emulator=EMULATOR),
        CMAKE_SYSTEM_NAME="Linux",
        CMAKE_SYSTEM_PROCESSOR="aarch64",
        CMAKE_BUILD_TYPE="None",  # what is no kernel compiles in half the time
    )
    for isa, name in {"baseline": "NEON", "dotprod": "NEON dot product"}.items():
        printed = run_program([*EMULATOR, folder / "test_operators"], LAYOUTRT_ISA=isa)
        assert printed.startswith(f"{name}: ")
    run_program([*EMULATOR, folder / "test_training"])
