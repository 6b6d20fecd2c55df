"""Fixtures of the tests on a GPU: the CUDA library, built from the sources for the GPU at hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import gpu_library
from layoutrt.operators.torch.backends import cuda

ROOT = Path(__file__).resolve().parents[2]


def missing() -> str:
    """Why nothing can be tested here; "" where it can."""
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no CUDA GPU"
    if gpu_library.find_nvcc() is None:
        return "nvcc is not installed; install the CUDA toolkit, or put its bin folder on PATH"
    if gpu_library.find_program("cmake") is None:
        return "cmake is not installed"
    return ""


@pytest.fixture(scope="session")
def gpu() -> Iterator[torch.device]:
    """The GPU, with the library that was built for it in use."""
    if reason := missing():
        pytest.skip(reason)
    folder = gpu_library.build_targets(ROOT, "layoutrt_cuda")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYOUTRT_CUDA_LIBRARY", str(folder / "runtime/native/cuda_api" / cuda.NAME))
        cuda.library.cache_clear()
        assert cuda.library() is not None
        yield torch.device("cuda", torch.cuda.current_device())
    cuda.library.cache_clear()


@pytest.fixture
def library_calls(gpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the functions of the library that were called since."""
    calls: list[str] = []
    launch = cuda._launch

    def counted(name, tensors, numbers):
        calls.append(name)
        launch(name, tensors, numbers)

    monkeypatch.setattr(cuda, "_launch", counted)
    return calls
