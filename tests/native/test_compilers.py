"""Each compiler that we name builds the library, its tests and its benchmark without a warning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.toolchains import AARCH64, PACKAGES, X86_64, find_compiler, machine_of

COMPILERS = [name for name in PACKAGES if "g++" in name or "clang++" in name]
TARGETS = ["layoutrt", "c_api_overhead", "test_operators", "test_training", "test_api", "test_pipeline"]
TARGETS += ["fuzz_model", "cuda_kernels_driver"]
KERNELS = {
    X86_64: {"baseline", "avx2", "avx512", "avx512vnni"},
    AARCH64: {"baseline", "dotprod"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILERS)
def test_everything_native_compiles_without_a_warning(name: str, build: Callable[..., Path]) -> None:
    compiler = find_compiler(name)
    programs = build(f"compiler-{name}", TARGETS, CMAKE_CXX_COMPILER=compiler, CMAKE_CXX_FLAGS="-Werror")
    folder = programs.parents[1]
    machine = machine_of(folder / "liblayoutrt.so")
    if name.startswith("aarch64"):
        assert machine == AARCH64
    kernels = {path.name.split(".")[0] for path in (folder / "CMakeFiles").glob("kernels_*.dir")}
    assert {name.removeprefix("kernels_") for name in kernels} == KERNELS[machine]
