"""The Triton kernels against the operators' references, in Triton's interpreter: no GPU is needed.

The interpreter is chosen when Triton is imported, so the comparisons run in a process of their own: this
file, run as a program. What only a GPU shows is tested where there is one.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from layoutrt.operators.torch import layout_conv, predicted_conv, spatially_varying_conv

TOLERANCES = {torch.float32: 1e-5, torch.float16: 3e-3, torch.bfloat16: 2e-2}


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_close(actual: Tensor | None, expected: Tensor, dtype: torch.dtype) -> None:
    assert actual is not None
    assert actual.dtype == dtype
    tolerance = TOLERANCES[dtype]
    largest = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(actual.double(), expected, rtol=tolerance, atol=tolerance * largest)


def compare_varying(k: int, norm: bool, dtype: torch.dtype) -> None:
    from layoutrt.operators.torch.backends.triton import spatially_varying_conv as kernels

    arguments = [draw(2, 2, 7, 90, seed=1), draw(2, 2 * k * k, 7, 90, seed=2)]
    arguments += [draw(2, seed=3), draw(2, seed=4)] if norm else []
    x, w, *affine = (a.to(dtype) for a in arguments)
    scale, shift = affine or (None, None)
    exact = [t.double().requires_grad_() for t in (x, w, *affine)]
    y = spatially_varying_conv.reference(*exact)
    grad = draw(*y.shape, seed=5).to(dtype)
    expected = torch.autograd.grad(y, exact, grad.double())
    assert_close(kernels.forward(x, w, k, scale, shift, dtype), y.detach(), dtype)
    for actual, right in zip(kernels.backward(grad, x, w, k, scale, shift), expected, strict=False):
        assert_close(actual, right, dtype)


def compare_layout(k: int, stride: int, dtype: torch.dtype) -> None:
    from layoutrt.operators.torch.backends.triton import layout_conv as kernels

    generator = torch.Generator().manual_seed(7)
    labels = torch.randint(0, 20, (2, 9, 13), generator=generator, dtype=torch.uint8)
    table, bias = draw(18, k * k, 35, seed=2).to(dtype), draw(35, seed=3).to(dtype)
    exact = [t.double().requires_grad_() for t in (table, bias)]
    y = layout_conv.reference(labels, *exact, stride)
    grad = draw(*y.shape, seed=5).to(dtype)
    expected = torch.autograd.grad(y, exact, grad.double())
    assert_close(kernels.forward(labels, table, bias, stride), y.detach(), dtype)
    for actual, right in zip(kernels.backward(grad, labels, table, stride), expected, strict=True):
        assert_close(actual, right, dtype)


def compare_all() -> None:
    """A few of each: a program of the interpreter takes milliseconds."""
    compare_varying(1, False, torch.float32)
    compare_varying(3, True, torch.float32)
    compare_varying(3, True, torch.bfloat16)
    compare_varying(5, False, torch.float16)
    compare_layout(1, 1, torch.float32)
    compare_layout(3, 2, torch.float32)
    compare_layout(3, 1, torch.float16)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_triton_kernels_equal_the_references_in_the_interpreter() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


CUDA_CASES = {
    "varying": (
        spatially_varying_conv,
        [draw(2, 5, 33, 47, seed=1), draw(2, 45, 33, 47, seed=2), draw(5, seed=3), draw(5, seed=4)],
    ),
    "predicted": (
        predicted_conv,
        [draw(2, 5, 33, 47, seed=1), draw(2, 8, 33, 47, seed=2), draw(45, 8, 1, 1, seed=3), draw(45, seed=4)],
    ),
}


@pytest.mark.gpu
@pytest.mark.parametrize("name", CUDA_CASES)
def test_gradients_on_cuda_equal_the_reference(name: str) -> None:
    module, arguments = CUDA_CASES[name]
    operator = getattr(module, module.__name__.rpartition(".")[2])
    exact = [a.clone().requires_grad_() for a in arguments]
    taken = [a.float().cuda().requires_grad_() for a in arguments]
    expected, actual = module.reference(*exact), operator(*taken)
    grad = draw(*expected.shape, seed=5)
    right = torch.autograd.grad(expected, exact, grad)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        found = torch.autograd.grad(actual, taken, grad.float().cuda())
    for a, e in zip((actual, *found), (expected, *right), strict=True):
        assert_close(a.detach().cpu(), e.detach(), torch.float32)


if __name__ == "__main__":
    compare_all()
