"""The native library under sanitizers: kernels, C API and pipeline without a bad access, overflow or race."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from layoutrt.models import resolve_model
from tests.support import processor_isas

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PROGRAMS = ["test_operators", "test_training", "test_api", "test_pipeline", "fuzz_model"]
MODELS = [resolve_model("camvid-edge"), resolve_model("camvid-seg")]
ISAS = processor_isas.usable() if platform.machine() == "x86_64" else ["baseline"]


@pytest.fixture
def sanitized(compiler: Callable[..., str], build: Callable[..., Path]) -> Callable[..., Path]:
    """Builds all programs with sanitizers; skips where the compiler lacks them."""

    def make(name: str, sanitizers: str, **options: str) -> Path:
        found = compiler("g++", "c++", flags=[f"-fsanitize={sanitizers}"])
        return build(name, PROGRAMS, CMAKE_CXX_COMPILER=found, LAYOUTRT_SANITIZE=sanitizers, **options)

    return make


def test_memory_is_used_as_it_may_be(sanitized: Callable[..., Path], run_program: Callable[..., str]) -> None:
    folder = sanitized("address", "address,undefined")
    for isa in ISAS:
        for program in ("test_operators", "test_training"):
            run_program([folder / program], LAYOUTRT_ISA=isa)
    run_program([folder / "test_api", *MODELS])
    run_program([folder / "test_pipeline"])
    inputs = sorted((HERE / "corpus").iterdir())
    assert f"{len(inputs)} inputs" in run_program([folder / "fuzz_model", *inputs])


def test_threads_do_not_race(sanitized: Callable[..., Path], run_program: Callable[..., str]) -> None:
    # Kernels of every instruction set share what threads share.
    folder = sanitized("thread", "thread", LAYOUTRT_BASELINE_ONLY="ON")
    options = f"suppressions={HERE / 'tsan.supp'} ignore_noninstrumented_modules=1"
    run_program([folder / "test_operators"], TSAN_OPTIONS=options)
    run_program([folder / "test_training"], TSAN_OPTIONS=options)
    run_program([folder / "test_api", *MODELS], TSAN_OPTIONS=options)
    run_program([folder / "test_pipeline"], TSAN_OPTIONS=options)
