"""torch's operators on a GPU: the CUDA library and Triton behind them, forward and backward."""

from __future__ import annotations

import pytest
import torch

from layoutrt.operators.torch import layout_conv, predicted_conv, spatially_varying_conv
from layoutrt.operators.torch.backends import cuda
from tests.support.cuda.gpu_cases import assert_close, draw

pytestmark = pytest.mark.gpu


def predicted_arguments(gpu: torch.device, dtype: torch.dtype, p: int) -> list[torch.Tensor]:
    shapes = [(2, 5, 33, 47), (2, 8, 33, 47), (45, 8, p, p), (45,), (5,), (5,)]
    return [draw(*shape, seed=seed, device=gpu, dtype=dtype) for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("p", [1, 3])
def test_predicted_conv_takes_the_library_and_its_gradients_are_the_references(
    p, dtype, gpu, library_calls
) -> None:
    arguments = [a.requires_grad_() for a in predicted_arguments(gpu, dtype, p)]
    exact = [a.detach().double().requires_grad_() for a in arguments]
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        y = predicted_conv.predicted_conv(*arguments)
        assert library_calls == ["lrt_cuda_predicted_conv"]
        expected = predicted_conv.reference(*exact)
        assert_close(y.detach(), expected.detach())
        grad = draw(*y.shape, seed=9, device=gpu, dtype=dtype)
        right = torch.autograd.grad(expected, exact, grad.double())
        found = torch.autograd.grad(y, arguments, grad)
    tolerance = 1e-4 if dtype == torch.float32 else 2e-2
    for actual, e in zip(found, right, strict=True):
        assert actual.dtype == dtype
        torch.testing.assert_close(actual.double(), e, rtol=tolerance, atol=tolerance * float(e.abs().max()))


def test_under_autocast_the_library_computes_in_half_precision(gpu, library_calls) -> None:
    x, h, *rest = predicted_arguments(gpu, torch.float32, 3)
    with torch.autocast("cuda", torch.float16):
        y = predicted_conv.predicted_conv(x.half(), h.half(), *rest)
    assert y.dtype == torch.float16
    assert library_calls == ["lrt_cuda_predicted_conv"]
    assert_close(y, predicted_conv.reference(*(a.half().double() for a in (x, h, *rest))))


def test_bfloat16_and_float64_go_another_way(gpu, library_calls) -> None:
    for dtype, tolerance in ((torch.bfloat16, 3e-2), (torch.float64, 1e-9)):
        arguments = predicted_arguments(gpu, dtype, 3)
        expected = predicted_conv.reference(*(a.double() for a in arguments))
        y = predicted_conv.predicted_conv(*arguments)
        torch.testing.assert_close(
            y.double(), expected, rtol=tolerance, atol=tolerance * float(expected.abs().max())
        )
    assert library_calls == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("preferred", [False, True], ids=["triton", "library"])
def test_both_ways_of_an_operator_equal_the_reference(
    preferred, dtype, gpu, library_calls, monkeypatch
) -> None:
    for name in ("SpatiallyVaryingConv", "LayoutConv"):
        monkeypatch.setitem(cuda.PREFERRED, name, (dtype,) if preferred else ())
    x = draw(2, 5, 33, 47, seed=1, device=gpu, dtype=dtype)
    w = draw(2, 45, 33, 47, seed=2, device=gpu, dtype=dtype)
    y = spatially_varying_conv.spatially_varying_conv(x, w)
    assert_close(y, spatially_varying_conv.reference(x.double(), w.double()))
    labels = torch.randint(0, 20, (2, 33, 47), device=gpu).to(torch.uint8)
    table, bias = (draw(*s, seed=3, device=gpu, dtype=dtype) for s in ((18, 9, 35), (35,)))
    y = layout_conv.layout_conv(labels, table, bias, 2)
    assert_close(y, layout_conv.reference(labels, table.double(), bias.double(), 2))
    if preferred:
        assert library_calls == ["lrt_cuda_spatially_varying_conv", "lrt_cuda_layout_conv"]


def test_a_captured_operator_sees_a_weight_that_changed(gpu) -> None:
    x, h, weight, bias, *affine = predicted_arguments(gpu, torch.float16, 3)
    run = lambda: predicted_conv.predicted_conv(x, h, weight, bias, *affine)  # noqa: E731
    with torch.no_grad():
        run()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = run()
        weight.mul_(2)
        graph.replay()
        torch.cuda.synchronize()
        assert torch.equal(y, run())
