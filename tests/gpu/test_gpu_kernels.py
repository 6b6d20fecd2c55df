"""The CUDA kernels on a GPU: against the float64 oracle, twice the same, and inside a CUDA graph."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from tests.support.cuda import gpu_cases
from tests.support.cuda.gpu_cases import Case, assert_close

pytestmark = pytest.mark.gpu

SMALL = 24
"""Random shapes of each operator and type."""


def random_cases(operator: str) -> list[dict]:
    """Shapes up to a few thousand pixels that hit every edge: seeded, so that a failure can be repeated."""
    found = []
    for seed in range(SMALL):
        pick = random.Random(f"{operator} {seed}")
        shape = {
            "n": pick.choice((1, 1, 2, 3)),
            "c": pick.choice((1, 3, 8, 15, 16, 17, 31, 48, 64, 100)),
            "height": pick.choice((1, 2, 5, 8, 16, 31, 33, 64)),
            "width": pick.choice((1, 3, 7, 8, 16, 30, 47, 64)),
        }
        predictor = {"j": pick.choice((1, 7, 16, 24, 40, 64, 128)), "p": pick.choice((1, 3))}
        affine = {"affine": pick.choice((False, True))}
        found.append(
            {
                "varying": {**shape, "k": pick.choice((1, 3, 3, 5, 7)), **affine},
                "layout": {
                    **shape,
                    "count": pick.choice((1, 12, 184, 250)),
                    "k": pick.choice((1, 3, 3, 5, 7)),
                    "stride": pick.choice((1, 2)),
                    "label_type": pick.choice((torch.uint8, torch.int32)),
                },
                "predicted": {**shape, **predictor, **affine, "by_pixel": pick.choice((False, True))},
                "quantized": {
                    **shape,
                    **predictor,
                    **affine,
                    "levels": pick.choice((False, True)),
                    "by_pixel": pick.choice((False, True)),
                },
            }[operator]
        )
    return found


LARGE = {
    "varying": [{"n": 1, "c": c, "height": 256, "width": 256, "k": 3, "affine": True} for c in (64, 256)],
    "layout": [
        {"n": 1, "c": 128, "height": 256, "width": 256, "count": 184, "k": 3, "stride": 1},
        {"n": 4, "c": 64, "height": 256, "width": 512, "count": 36, "k": 3, "stride": 2},
    ],
    "predicted": [
        {"n": 1, "c": c, "j": 128, "height": side, "width": side, "p": 3, "affine": True}
        for c, side in ((1024, 8), (1024, 32), (512, 64), (128, 128), (64, 256))
    ],
    "quantized": [
        {"n": 1, "c": c, "j": 128, "height": side, "width": side, "p": 3, "affine": True, "levels": levels}
        for c, side, levels in ((1024, 8, False), (256, 64, True), (64, 256, False))
    ],
}
"""Layers of the paper's generator."""

ALL = [
    pytest.param(operator, arguments, id=f"{operator}-{number}")
    for operator in LARGE
    for number, arguments in enumerate(random_cases(operator) + LARGE[operator])
]
ONE_OF_EACH = [
    ("varying", {"n": 2, "c": 24, "height": 33, "width": 40, "k": 3, "affine": True}),
    ("layout", {"n": 2, "c": 24, "height": 33, "width": 40, "count": 36, "k": 3, "stride": 1}),
    ("predicted", {"n": 2, "c": 24, "j": 64, "height": 33, "width": 40, "p": 3, "affine": True}),
    ("predicted", {"n": 1, "c": 256, "j": 128, "height": 8, "width": 8, "p": 1, "affine": False}),
    ("quantized", {"n": 2, "c": 24, "j": 64, "height": 33, "width": 40, "p": 3, "affine": True}),
]


def make(operator: str, arguments: dict, gpu: torch.device, dtype: torch.dtype) -> Case:
    return getattr(gpu_cases, operator)(gpu, dtype, **arguments)


@pytest.mark.parametrize("dtype", gpu_cases.FLOATING.values(), ids=gpu_cases.FLOATING)
@pytest.mark.parametrize(("operator", "arguments"), ALL)
def test_a_kernel_computes_what_the_oracle_does(operator, arguments, dtype, gpu) -> None:
    case = make(operator, arguments, gpu, dtype)
    assert_close(case.run(), case.expect())


@pytest.mark.parametrize("dtype", gpu_cases.FLOATING.values(), ids=gpu_cases.FLOATING)
@pytest.mark.parametrize(("operator", "arguments"), ONE_OF_EACH)
def test_two_runs_give_the_same_bits_beside_other_work(operator, arguments, dtype, gpu) -> None:
    case = make(operator, arguments, gpu, dtype)
    first = case.run()
    torch.cuda.synchronize()
    load = torch.randn(2048, 2048, device=gpu)
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(10):
            load @ load
    for _ in range(5):
        assert torch.equal(case.run(), first)


@pytest.mark.parametrize("dtype", gpu_cases.FLOATING.values(), ids=gpu_cases.FLOATING)
@pytest.mark.parametrize(("operator", "arguments"), ONE_OF_EACH)
def test_a_captured_kernel_reads_what_its_tensors_hold_when_it_is_replayed(
    operator, arguments, dtype, gpu
) -> None:
    case = make(operator, arguments, gpu, dtype)
    case.run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = case.run()
    for tensor in case.inputs:
        tensor.copy_(tensor.flip(-1))
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(y, case.run())


@pytest.mark.parametrize(("operator", "arguments"), ONE_OF_EACH)
def test_a_kernel_waits_for_what_torchs_stream_did_before(operator, arguments, gpu) -> None:
    case = make(operator, arguments, gpu, torch.float16)
    first = case.inputs[0]
    values = first.clone()
    expected = case.run()
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    first.zero_()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)
        first.copy_(values)
        y = case.run()
    stream.synchronize()
    assert torch.equal(y, expected)


@pytest.mark.parametrize(("operator", "arguments"), ONE_OF_EACH)
def test_a_launch_allocates_no_device_memory(operator, arguments, gpu) -> None:
    case = make(operator, arguments, gpu, torch.float16)
    run: Callable[[], torch.Tensor] = case.run
    run()
    torch.cuda.synchronize()
    free = torch.cuda.mem_get_info(gpu)[0]
    for _ in range(50):
        run()
    torch.cuda.synchronize()
    assert torch.cuda.mem_get_info(gpu)[0] >= free - (1 << 20)
