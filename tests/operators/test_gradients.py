"""The float32 gradients of the native library, and mixed types, against the operators' float64 references."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from layoutrt.operators.torch import layout_conv, predicted_conv, spatially_varying_conv
from layoutrt.operators.torch.backends import native

OPERATORS = {
    "varying": (spatially_varying_conv.spatially_varying_conv, spatially_varying_conv.reference),
    "predicted": (predicted_conv.predicted_conv, predicted_conv.reference),
    "layout": (layout_conv.layout_conv, layout_conv.reference),
}

# One pixel, one column, one row; wider than two vectors with a rest; several parts of rows in an image.
SHAPES = [(1, 1, 1, 1), (2, 3, 7, 1), (1, 2, 1, 40), (3, 5, 6, 9), (2, 17, 13, 37), (1, 2, 67, 300)]


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def affine(channels: int, present: bool) -> list[Tensor]:
    return [draw(channels, seed=5), draw(channels, seed=6)] if present else []


def varying(shape: tuple[int, ...], k: int, norm: bool) -> list[Tensor]:
    n, c, height, width = shape
    return [draw(*shape, seed=1), draw(n, c * k * k, height, width, seed=2), *affine(c, norm)]


def predicted(shape: tuple[int, ...], p: int, norm: bool, features: int = 5, k: int = 3) -> list[Tensor]:
    n, c, height, width = shape
    h = draw(n, features, height, width, seed=2)
    return [
        draw(*shape, seed=1),
        h,
        draw(c * k * k, features, p, p, seed=3),
        draw(c * k * k, seed=4),
        *affine(c, norm),
    ]


def layout(shape: tuple[int, ...], k: int, stride: int) -> list[Tensor | int]:
    n, c, height, width = shape
    generator = torch.Generator().manual_seed(7)
    # Patches as label maps have them; labels 9 and 10 are unknown to the table.
    patches = torch.randint(0, 11, (n, height // 5 + 1, width // 6 + 1), generator=generator)
    labels = patches.repeat_interleave(5, 1).repeat_interleave(6, 2)[:, :height, :width].to(torch.uint8)
    return [labels, draw(9, k * k, c, seed=2), draw(c, seed=3), stride]


CASES: dict[str, tuple[str, list[Tensor | int]]] = {
    **{
        f"varying {shape} k{k} affine={norm}": ("varying", varying(shape, k, norm))
        for shape in SHAPES
        for k in (1, 3, 5)
        for norm in (False, True)
    },
    **{
        f"predicted {shape} p{p} affine={norm}": ("predicted", predicted(shape, p, norm))
        for shape in SHAPES
        for p in (1, 3)
        for norm in (False, True)
    },
    "predicted with many features": ("predicted", predicted((2, 3, 5, 20), 1, True, features=70)),
    "predicted with one feature": ("predicted", predicted((2, 3, 5, 20), 1, True, features=1)),
    "predicted with k 5": ("predicted", predicted((2, 3, 5, 20), 1, True, k=5)),
    **{
        f"layout {shape} k{k} stride{stride}": ("layout", layout(shape, k, stride))
        for shape in [*SHAPES, (2, 35, 70, 21)]
        for k in (1, 3, 5)
        for stride in (1, 2)
    },
}


def run(
    operator: Callable[..., Tensor], arguments: list[Tensor | int], cast: Callable[[Tensor], Tensor]
) -> list[Tensor]:
    """The result of the operator and the gradients for all its real arguments, under a random cotangent."""
    taken = [cast(a).detach() if isinstance(a, Tensor) and a.is_floating_point() else a for a in arguments]
    real = [a.requires_grad_() for a in taken if isinstance(a, Tensor) and a.is_floating_point()]
    y = operator(*taken)
    grads = torch.autograd.grad(y, real, draw(*y.shape, seed=9).to(y.dtype))
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


@pytest.mark.parametrize("name", CASES)
def test_native_gradients_are_those_of_the_reference_in_float64(name: str) -> None:
    operator, reference = OPERATORS[CASES[name][0]]
    expected = run(reference, CASES[name][1], lambda t: t)
    assert native.library() is not None
    assert_close(run(operator, CASES[name][1], torch.Tensor.float), expected, 1e-5)


SOME = [
    "varying (2, 17, 13, 37) k3 affine=True",
    "predicted (2, 17, 13, 37) p1 affine=True",
    "layout (2, 17, 13, 37) k3 stride1",
]

LARGE = {
    "varying": varying((2, 8, 96, 128), 3, True),
    "predicted": predicted((2, 8, 96, 128), 1, True),
    "layout": layout((2, 40, 96, 128), 3, 1),
}


@pytest.mark.parametrize("name", LARGE)
def test_results_do_not_depend_on_the_number_of_threads(
    name: str, two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "_WORK_PER_THREAD", 1)
    shared = run(OPERATORS[name][0], LARGE[name], torch.Tensor.float)
    torch.set_num_threads(1)
    alone = run(OPERATORS[name][0], LARGE[name], torch.Tensor.float)
    assert all(torch.equal(a, b) for a, b in zip(shared, alone, strict=True))


@pytest.mark.parametrize("name", SOME[:2])
def test_tensors_need_not_be_contiguous(name: str) -> None:
    operator, _ = OPERATORS[CASES[name][0]]

    def scattered(t: Tensor) -> Tensor:
        return t.float().repeat_interleave(2, -1)[..., ::2] if t.dim() == 1 else t.float().mT.contiguous().mT

    plain = run(operator, CASES[name][1], torch.Tensor.float)
    assert all(
        torch.equal(a, b) for a, b in zip(run(operator, CASES[name][1], scattered), plain, strict=True)
    )


@pytest.mark.parametrize("name", SOME)
def test_torch_computes_the_same_without_the_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operator, reference = OPERATORS[CASES[name][0]]
    expected = run(reference, CASES[name][1], lambda t: t)
    monkeypatch.setattr(native, "library", lambda: None)
    assert_close(run(operator, CASES[name][1], torch.Tensor.float), expected, 1e-5)


def test_parameters_in_float32_do_not_widen_a_result_in_half_precision() -> None:
    for dtype, tolerance in ((torch.bfloat16, 2e-2), (torch.float16, 3e-3)):
        for name in SOME[:2]:
            operator, reference = OPERATORS[CASES[name][0]]

            def cast(t: Tensor, dtype: torch.dtype = dtype, flowing: tuple[int, ...] = (2, 13)) -> Tensor:
                return t.to(dtype) if t.shape[0] == flowing[0] else t.float()

            # The reference sees the same rounded numbers.
            rounded = [cast(a).double() if isinstance(a, Tensor) else a for a in CASES[name][1]]
            actual = run(operator, CASES[name][1], cast)
            assert actual[0].dtype == dtype
            flowing = [isinstance(a, Tensor) and a.shape[0] == 2 for a in CASES[name][1]]
            assert [g.dtype == dtype for g in actual[1:]] == flowing
            expected = run(reference, rounded, lambda t: t)
            assert_close(actual, expected, tolerance)


def test_operators_run_under_autocast() -> None:
    x, h, weight, bias, *norm = (
        t.float() for t in predicted((2, 4, 9, 12), 1, True) if isinstance(t, Tensor)
    )
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
    x, w, *norm = (t.float() for t in varying((2, 4, 9, 12), 3, True))
    x.requires_grad_()
    eager = torch.autograd.grad(spatially_varying_conv.spatially_varying_conv(x, w, *norm).sum(), x)
    compiled = torch.compile(
        spatially_varying_conv.spatially_varying_conv, backend="aot_eager", fullgraph=True
    )
    assert torch.equal(torch.autograd.grad(compiled(x, w, *norm).sum(), x)[0], eager[0])
