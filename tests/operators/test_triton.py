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

from tests.operators.case import Case
from tests.operators.cases.layout_conv import layout_case
from tests.operators.cases.predicted_conv import predicted_case
from tests.operators.cases.spatially_varying_conv import varying_case
from tests.operators.compare import TOLERANCES
from tests.operators.implementations import torch_arguments, torch_functions
from tests.support import ROOT


def draw(like: Tensor) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def assert_close(actual: Tensor | None, expected: Tensor, dtype: torch.dtype) -> None:
    assert actual is not None
    assert actual.dtype == dtype
    tolerance = TOLERANCES[str(dtype).removeprefix("torch.")]
    largest = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(actual.double(), expected.detach(), rtol=tolerance, atol=tolerance * largest)


def compare(case: Case, dtype: torch.dtype) -> None:
    """The kernels of the case's operator, forward and backward, with what torch's autograd gives."""
    from layoutrt.operators.torch.backends.triton import layout_conv, spatially_varying_conv

    given = list(torch_arguments(case, dtype).values())
    # The reference sees the same rounded numbers.
    exact = [a.double() if isinstance(a, Tensor) and a.is_floating_point() else a for a in given]
    real = [a.requires_grad_() for a in exact if isinstance(a, Tensor) and a.is_floating_point()]
    expected = torch_functions(case)[0](*exact)
    grad = draw(expected).to(dtype)
    if case.operator == "LayoutConv":
        labels, table, bias, stride = given
        y = layout_conv.forward(labels, table, bias, stride)
        found = layout_conv.backward(grad, labels, table, stride)
    else:
        x, w, scale, shift = [*given, None, None][:4]
        k = int((w.shape[1] / x.shape[1]) ** 0.5)
        y = spatially_varying_conv.forward(x, w, k, scale, shift, dtype)
        found = spatially_varying_conv.backward(grad, x, w, k, scale, shift)[: len(real)]
    assert_close(y, expected, dtype)
    for actual, right in zip(found, torch.autograd.grad(expected, real, grad.double()), strict=True):
        assert_close(actual, right, dtype)


def compare_all() -> None:
    """A few of each: a program of the interpreter takes milliseconds."""
    compare(varying_case(2, 2, 7, 90, 1, False), torch.float32)
    compare(varying_case(2, 2, 7, 90, 3, True), torch.float32)
    compare(varying_case(2, 2, 7, 90, 3, True), torch.bfloat16)
    compare(varying_case(2, 2, 7, 90, 5, False), torch.float16)
    compare(layout_case(2, 35, 9, 13, 18, 1, 1), torch.float32)
    compare(layout_case(2, 35, 9, 13, 18, 3, 2), torch.float32)
    compare(layout_case(2, 35, 9, 13, 18, 3, 1), torch.float16)


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_triton_kernels_equal_the_references_in_the_interpreter() -> None:
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.operators.test_triton"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


ON_CUDA = [varying_case(2, 5, 33, 47, 3, True), predicted_case(2, 5, 33, 47, 8, 1, norm=False)]


@pytest.mark.gpu
@pytest.mark.parametrize("case", ON_CUDA, ids=str)
def test_gradients_on_cuda_equal_the_reference(case: Case) -> None:
    reference, operator = torch_functions(case)
    exact = [a.requires_grad_() for a in torch_arguments(case, torch.float64).values()]
    taken = [a.cuda().requires_grad_() for a in torch_arguments(case, torch.float32).values()]
    expected, actual = reference(*exact), operator(*taken)
    grad = draw(expected)
    right = torch.autograd.grad(expected, exact, grad)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        found = torch.autograd.grad(actual, taken, grad.float().cuda())
    for a, e in zip((actual, *found), (expected, *right), strict=True):
        assert_close(a.detach().cpu(), e, torch.float32)


if __name__ == "__main__":
    compare_all()
