"""Every plugin through TensorRT's order of calls on the memory of a GPU, without TensorRT's libraries.

The program is `tests/native/tensorrt/plugin_harness.cpp`, here with CUDA's own runtime and the real kernels.
TENSORRT_ROOT names TensorRT's headers, one folder or several, separated by colons.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu_library
from layoutrt.operators.torch import (
    layout_conv,
    predicted_conv,
    quantized_predicted_conv,
    spatially_varying_conv,
)
from tests.support.cuda import gpu_cases
from tests.support.cuda.gpu_cases import draw

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).resolve().parents[2]
HARNESS = ROOT / "tests/native/tensorrt"
ROOTS = [Path(part) for part in os.environ.get("TENSORRT_ROOT", "").split(":") if part]
HALF = torch.float16


@pytest.fixture(scope="module", params=ROOTS or [None], ids=lambda root: root.name if root else "none")
def harness(request: pytest.FixtureRequest, gpu, tmp_path_factory) -> list[str]:
    """The program and the operator library, built against one version of the headers."""
    root = request.param
    if root is None:
        pytest.skip("TENSORRT_ROOT does not name TensorRT's headers")
    folder = tmp_path_factory.mktemp("harness")
    library = gpu_library.build_targets(
        ROOT, "layoutrt_trt", TENSORRT_ROOT=str(root), TENSORRT_INCLUDE=str(root / "include")
    )
    return [*build_harness(folder, root), str(library / "runtime/native/tensorrt/liblayoutrt_trt.so")]


def build_harness(folder: Path, root: Path) -> list[str]:
    """Compile the program; nvcc links CUDA's runtime."""
    nvcc = gpu_library.find_nvcc()
    assert nvcc is not None
    stubs = [sys.executable, HARNESS / "stubs.py", root / "include", folder / "stubs.h"]
    sources = [HARNESS / name for name in ("plugin_harness.cpp", "plugin_case.cpp", "registry.cpp")]
    include = ["-isystem", folder, "-isystem", root / "include"]
    include += [f"-I{path}" for path in (ROOT / "runtime/native", HARNESS, HARNESS.parent)]
    compile_ = [nvcc, "-std=c++17", "-O0", *include, *sources, "-ldl", "-o", folder / "plugin_harness"]
    for command in (stubs, compile_):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
    return [str(folder / "plugin_harness")]


TYPES = {torch.float32: "float32", torch.float16: "float16", torch.int8: "int8", torch.int32: "int32"}


def run(
    harness: list[str], folder: Path, plugin: str, attributes: list[str], inputs: list, like
) -> torch.Tensor:
    """Write a case, run it, and read the result."""
    program, library = harness
    lines = [f"plugin {plugin}", *(f"attribute {attribute}" for attribute in attributes)]
    for place, tensor in enumerate(inputs):
        (folder / f"{place}.bin").write_bytes(tensor.contiguous().numpy().tobytes())
        lines.append(f"input {TYPES[tensor.dtype]} linear {shape(tensor)} {place}.bin")
    lines.append(f"output {TYPES[like.dtype]} linear {shape(like)} y.bin")
    (folder / "case.txt").write_text("\n".join(lines) + "\n")
    done = subprocess.run([program, library, str(folder)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    made = np.frombuffer((folder / "y.bin").read_bytes(), like.numpy().dtype)
    return torch.from_numpy(made.copy()).reshape(like.shape)


def shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape))


def tensors(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    return [draw(*s, seed=seed, device="cpu", dtype=HALF) for seed, s in enumerate(shapes)]


def test_layout_conv(harness, tmp_path) -> None:
    labels = torch.randint(0, 40, (2, 9, 14), dtype=torch.int32)
    table, bias = tensors((36, 9, 16), (16,))
    expected = layout_conv.reference(labels, table.double(), bias.double(), 2)
    y = run(harness, tmp_path, "LayoutConv", ["strides int32 2 2"], [labels, table, bias], expected.half())
    gpu_cases.assert_close(y, expected)


def test_spatially_varying_conv(harness, tmp_path) -> None:
    inputs = tensors((2, 5, 9, 14), (2, 45, 9, 14), (5,), (5,))
    expected = spatially_varying_conv.reference(*(t.double() for t in inputs))
    y = run(harness, tmp_path, "SpatiallyVaryingConv", [], inputs, expected.half())
    gpu_cases.assert_close(y, expected)


@pytest.mark.parametrize("p", [1, 3])
def test_predicted_conv(p, harness, tmp_path) -> None:
    x, h, weight, *rest = tensors((1, 24, 9, 14), (1, 40, 9, 14), (216, 40, p, p), (216,), (24,), (24,))
    weight = weight / (40 * p * p) ** 0.5
    expected = predicted_conv.reference(*(t.double() for t in (x, h, weight, *rest)))
    inputs = [x, h, weight.permute(0, 2, 3, 1), *rest]
    y = run(harness, tmp_path, "PredictedConv", ["weight_layout char OHWI"], inputs, expected.half())
    gpu_cases.assert_close(y, expected)


def test_quantized_predicted_conv(harness, tmp_path) -> None:
    x, h, bias, scale, shift = tensors((1, 24, 9, 14), (1, 40, 9, 14), (216,), (24,), (24,))
    weight = torch.randint(-127, 128, (216, 40, 3, 3), dtype=torch.int8)
    scales = [0.001 * (1 + channel) for channel in range(24)]
    attributes = [
        "weight_layout char OHWI",
        "h_scale float32 0.03125",
        "h_zero_point int32 128",
        "weight_scale float32 " + " ".join(map(str, scales)),
    ]
    exact = [t.double() for t in (x, h)]
    expected = quantized_predicted_conv.reference(
        *exact, weight, *(t.double() for t in (bias, scale, shift)),
        h_scale=0.03125, h_zero_point=128, weight_scale=scales,
    )  # fmt: skip
    inputs = [x, h, weight.permute(0, 2, 3, 1), bias, scale, shift]
    y = run(harness, tmp_path, "QuantizedPredictedConv", attributes, inputs, expected.half())
    gpu_cases.assert_close(y, expected)
