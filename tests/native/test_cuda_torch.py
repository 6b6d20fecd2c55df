"""torch's operators on the CUDA kernels, emulated: Python, the C functions and the kernels in one piece.

The emulation runs the kernels' own sources on the CPU's memory, so a CPU tensor stands for a GPU's.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from layoutrt import __version__
from layoutrt.errors import LayoutRTError
from layoutrt.operators.torch import layout_conv, predicted_conv
from layoutrt.operators.torch.backends import cuda
from tests.support.cuda import cases, gpu_cases
from tests.support.cuda.c_functions import FUNCTIONS, runner
from tests.support.cuda.gpu_cases import FLOATING, draw

ROOT = Path(__file__).resolve().parents[2]
EMULATION = ROOT / "tests/native/cuda/emulation"

ERROR_TEXT = """
#include "cuda_runtime_api.h"
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorInvalidValue ? "invalid argument" : "another error";
}
"""
"""Parts of CUDA's runtime that the emulation lacks."""


@pytest.fixture(scope="module")
def emulated(build: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``liblayoutrt_cuda`` whose kernels run on the CPU."""
    kernels = build("cuda", ["cuda_kernels_emulated"], LAYOUTRT_BASELINE_ONLY="ON")
    folder = tmp_path_factory.mktemp("emulated")
    (folder / "error_text.h").write_text(ERROR_TEXT)
    library = folder / cuda.NAME
    native = ROOT / "runtime/native"
    command = ["c++", "-std=c++17", "-shared", "-fPIC", "-pthread", f"-I{EMULATION}", f"-I{native}"]
    command += [f"-I{native}/include", "-include", f"{folder}/error_text.h"]
    command += [
        f"{native}/cuda_api/cuda_api.cpp",
        f"{kernels}/libcuda_kernels_emulated.a",
        "-o",
        f"{library}",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-4000:]
    return library


@pytest.fixture
def device(emulated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    monkeypatch.setenv("LAYOUTRT_CUDA_LIBRARY", str(emulated))
    monkeypatch.setattr(cuda, "_is_gpu", lambda device: True)
    monkeypatch.setattr(cuda, "_current_stream", lambda device: contextlib.nullcontext(None))
    cuda.library.cache_clear()
    yield torch.device("cpu")
    cuda.library.cache_clear()


SHAPE = {"n": 2, "c": 17, "height": 9, "width": 13}
PREDICTOR = {**SHAPE, "j": 24, "affine": True}


@pytest.mark.parametrize("dtype", FLOATING.values(), ids=FLOATING)
@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("varying", {**SHAPE, "k": 3, "affine": True}),
        ("varying", {**SHAPE, "k": 5, "affine": False}),
        ("layout", {**SHAPE, "count": 30, "k": 3, "stride": 1}),
        ("layout", {**SHAPE, "count": 30, "k": 3, "stride": 2, "label_type": torch.int32}),
        ("predicted", {**PREDICTOR, "p": 1}),
        ("predicted", {**PREDICTOR, "p": 3, "by_pixel": True}),
        ("quantized", {**PREDICTOR, "p": 3}),
        ("quantized", {**PREDICTOR, "p": 1, "by_pixel": True}),
        ("quantized", {**PREDICTOR, "p": 3, "levels": True}),
    ],
)
def test_a_kernel_called_from_torch_computes_what_the_oracle_does(operator, arguments, dtype, device) -> None:
    case = getattr(gpu_cases, operator)(device, dtype, **arguments)
    gpu_cases.assert_close(case.run(), case.expect())


@pytest.mark.parametrize("op", FUNCTIONS)
def test_the_cases_of_the_kernels_hold_behind_the_c_functions(op, device) -> None:
    for case in [case for case in cases.ALL if case.op == op][::4]:
        cases.compare(case, runner(device))


def test_the_custom_operators_reach_the_kernels(device, monkeypatch) -> None:
    launched: list[str] = []
    launch = cuda._launch
    monkeypatch.setattr(cuda, "_launch", lambda name, *rest: (launched.append(name), launch(name, *rest))[1])
    shapes = [(1, 3, 5, 7), (1, 8, 5, 7), (27, 8, 3, 3), (27,), (3,), (3,)]
    arguments = [draw(*shape, seed=seed, device=device) for seed, shape in enumerate(shapes)]
    y = predicted_conv.predicted_conv(*arguments)
    gpu_cases.assert_close(y, predicted_conv.reference(*(a.double() for a in arguments)))
    labels = torch.arange(35, dtype=torch.uint8).reshape(1, 5, 7)
    table, bias = draw(30, 9, 4, seed=1, device=device), draw(4, seed=2, device=device)
    y = layout_conv.layout_conv(labels, table, bias)
    gpu_cases.assert_close(y, layout_conv.reference(labels, table.double(), bias.double()))
    assert launched == ["lrt_cuda_predicted_conv", "lrt_cuda_layout_conv"]


def test_the_library_says_its_version_and_what_was_wrong(device) -> None:
    loaded = cuda.library()
    assert loaded is not None
    assert loaded.lrt_cuda_version().decode() == __version__
    x, w = draw(1, 2, 4, 4, seed=1, device=device), draw(1, 8, 4, 4, seed=2, device=device)
    with pytest.raises(LayoutRTError, match="lrt_cuda_spatially_varying_conv failed: invalid argument"):
        cuda.spatially_varying_conv(x, w, 2, None, None)


def test_a_library_of_another_version_is_refused(device, monkeypatch) -> None:
    monkeypatch.setattr(cuda, "__version__", "9.9.9")
    with pytest.raises(LayoutRTError, match=r"belongs to layoutrt 0\.\d+\.\d+, and this is 9\.9\.9"):
        cuda.library()
