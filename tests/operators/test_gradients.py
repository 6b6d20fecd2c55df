"""The float32 gradients of the native library, and mixed types, against the operators' float64 references.

The instruction set is chosen once in a process, so each one computes in a process of its own: this file, run
as a program.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from layoutrt.operators.torch import predicted_conv, spatially_varying_conv
from layoutrt.operators.torch.backends import native
from layoutrt.runtime.backends import native_bindings
from tests.operators.case import Case
from tests.operators.cases import CASES
from tests.operators.cases.layout_conv import layout_case
from tests.operators.cases.predicted_conv import predicted_case
from tests.operators.cases.spatially_varying_conv import varying_case
from tests.operators.compare import TOLERANCES
from tests.operators.implementations import is_trained, torch_arguments, torch_functions
from tests.support import ROOT, processor_isas

TRAINED = [name for name, case in CASES.items() if is_trained(case)]


def arguments_of(case: Case) -> list[Tensor | int]:
    """Positional arguments in float64, of a custom op as of its reference."""
    return list(torch_arguments(case, torch.float64).values())


def run(
    operator: Callable[..., Tensor], arguments: list[Tensor | int], cast: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """The result of the operator and the gradients for all its real arguments, under a random cotangent."""
    taken = [cast(a).detach() if isinstance(a, Tensor) and a.is_floating_point() else a for a in arguments]
    real = [a.requires_grad_() for a in taken if isinstance(a, Tensor) and a.is_floating_point()]
    y = operator(*taken)
    cotangent = torch.randn(y.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    grads = torch.autograd.grad(y, real, cotangent.to(y.dtype))
    return [y.detach(), *grads]


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        largest = max(1.0, float(e.abs().max()))
        torch.testing.assert_close(a.double(), e, rtol=tolerance, atol=tolerance * largest)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def compare(case: Case) -> None:
    reference, operator = torch_functions(case)
    expected = run(reference, arguments_of(case), lambda t: t)
    assert_close(run(operator, arguments_of(case), torch.Tensor.float), expected, TOLERANCES["float32"])


@pytest.mark.parametrize("name", TRAINED)
def test_native_gradients_are_those_of_the_reference_in_float64(name: str) -> None:
    assert native.library() is not None
    compare(CASES[name])


def compare_some() -> None:
    """Narrower than any vector, of whole vectors, and with a rest; more rows than one part has."""
    assert native.library() is not None
    print(native_bindings.load().lrt_simd().decode())
    for n, c, height, width in [(2, 3, 5, 3), (1, 2, 4, 32), (2, 5, 9, 37), (1, 1, 70, 260)]:
        for k in native.KERNEL_SIZES:
            compare(varying_case(n, c, height, width, k, True))
        for features in (1, 7):
            compare(predicted_case(n, c, height, width, features, 1, norm=True))
        compare(layout_case(n, c, height, width, 6, 3, 1))


@pytest.mark.parametrize("isa", processor_isas.TESTED)
def test_every_instruction_set_gives_the_gradients_of_the_references(isa: str) -> None:
    processor_isas.require(isa)
    environment = os.environ | {"LAYOUTRT_ISA": isa}
    command = [sys.executable, "-m", "tests.operators.test_gradients"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.strip() == processor_isas.NAMES[isa]


SOME = [
    CASES["SpatiallyVaryingConv 2x17x13x37 k3 affine"],
    CASES["PredictedConv 2x17x13x37 j5 p1 affine"],
    CASES["LayoutConv 2x17x13x37 of 7 k3 stride 1"],
]
LARGE = [
    varying_case(2, 8, 96, 128, 3, True),
    predicted_case(2, 8, 96, 128, 5, 1, norm=True),
    layout_case(2, 40, 96, 128, 9, 3, 1),
]


@pytest.mark.parametrize("case", LARGE, ids=str)
def test_results_do_not_depend_on_the_number_of_threads(
    case: Case, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, operator = torch_functions(case)
    monkeypatch.setattr(native, "_WORK_PER_THREAD", 1)
    shared = run(operator, arguments_of(case), torch.Tensor.float)
    torch.set_num_threads(1)
    alone = run(operator, arguments_of(case), torch.Tensor.float)
    assert all(torch.equal(a, b) for a, b in zip(shared, alone, strict=True))


@pytest.mark.parametrize("case", SOME[:2], ids=str)
def test_tensors_need_not_be_contiguous(case: Case) -> None:
    _, operator = torch_functions(case)

    def scattered(t: Tensor) -> Tensor:
        return t.float().repeat_interleave(2, -1)[..., ::2] if t.dim() == 1 else t.float().mT.contiguous().mT

    plain = run(operator, arguments_of(case), torch.Tensor.float)
    found = run(operator, arguments_of(case), scattered)
    assert all(torch.equal(a, b) for a, b in zip(found, plain, strict=True))


@pytest.mark.parametrize("case", SOME, ids=str)
def test_torch_computes_the_same_without_the_library(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, operator = torch_functions(case)
    expected = run(reference, arguments_of(case), lambda t: t)
    monkeypatch.setattr(native, "library", lambda: None)
    found = run(operator, arguments_of(case), torch.Tensor.float)
    assert_close(found, expected, TOLERANCES["float32"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("case", SOME[:2], ids=str)
def test_parameters_in_float32_do_not_widen_a_result_in_half_precision(
    case: Case, dtype: torch.dtype
) -> None:
    reference, operator = torch_functions(case)
    arguments = arguments_of(case)

    def cast(t: Tensor) -> Tensor:
        return t.to(dtype) if t.shape[0] == 2 else t.float()

    # The reference sees the same rounded numbers.
    rounded = [cast(a).double() if isinstance(a, Tensor) else a for a in arguments]
    actual = run(operator, arguments, cast)
    assert actual[0].dtype == dtype
    flowing = [isinstance(a, Tensor) and a.shape[0] == 2 for a in arguments]
    assert [g.dtype == dtype for g in actual[1:]] == flowing
    assert_close(actual, run(reference, rounded, lambda t: t), TOLERANCES[str(dtype).removeprefix("torch.")])


def test_operators_run_under_autocast() -> None:
    case = predicted_case(2, 4, 9, 12, 5, 1, norm=True)
    x, h, weight, bias, *norm = torch_arguments(case, torch.float32).values()
    weight.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        features = torch.nn.functional.conv2d(h, torch.eye(5)[..., None, None])
        y = predicted_conv.predicted_conv(x.bfloat16(), features, weight, bias, *norm)
        predicted_kernels = torch.nn.functional.conv2d(features, weight, bias)
        z = spatially_varying_conv.spatially_varying_conv(x, predicted_kernels, *norm)
    assert (features.dtype, y.dtype, z.dtype) == (torch.bfloat16, torch.bfloat16, torch.float32)
    y.float().sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(y.float(), z, rtol=0.05, atol=0.3)


def test_compiled_operators_give_the_same_gradients() -> None:
    x, w, *norm = torch_arguments(varying_case(2, 4, 9, 12, 3, True), torch.float32).values()
    x.requires_grad_()
    eager = torch.autograd.grad(spatially_varying_conv.spatially_varying_conv(x, w, *norm).sum(), x)
    compiled = torch.compile(
        spatially_varying_conv.spatially_varying_conv, backend="aot_eager", fullgraph=True
    )
    assert torch.equal(torch.autograd.grad(compiled(x, w, *norm).sum(), x)[0], eager[0])


if __name__ == "__main__":
    compare_some()
