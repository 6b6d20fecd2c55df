"""Random arguments of every operator, on a GPU, and how far a result may be from the float64 gpu_cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from layoutrt.operators.torch import layout_conv, predicted_conv, spatially_varying_conv
from layoutrt.operators.torch.backends import cuda

FLOATING = {"fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class Case:
    """One launch: what the kernels compute, and what the oracle does."""

    run: Callable[[], Tensor]
    expect: Callable[[], Tensor]
    inputs: tuple[Tensor, ...]
    """Tensors that may be overwritten between two launches."""


def draw(*shape: int, seed: int, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers of a normal distribution."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).to(device, dtype)


def assert_close(actual: Tensor, expected: Tensor) -> None:
    """One rounding of a float32 sum: half a unit in the last place of the result, and what the sum lost."""
    assert torch.isfinite(actual).all()
    unit = {torch.float32: 2.0**-24, torch.float16: 2.0**-11}[actual.dtype]
    largest = max(1e-3, float(expected.abs().max()))
    torch.testing.assert_close(actual.double(), expected, rtol=unit, atol=1e-5 * largest)


def varying(
    device: torch.device, dtype: torch.dtype, n: int, c: int, height: int, width: int, k: int, affine: bool
) -> Case:
    """`SpatiallyVaryingConv`."""
    x = draw(n, c, height, width, seed=1, device=device, dtype=dtype)
    w = draw(n, c * k * k, height, width, seed=2, device=device, dtype=dtype)
    norm = [draw(c, seed=s, device=device, dtype=dtype) if affine else None for s in (3, 4)]
    return Case(
        lambda: cuda.spatially_varying_conv(x, w, k, *norm),
        lambda: spatially_varying_conv.reference(*map(_double, (x, w, *norm))),
        (x, w),
    )


def layout(
    device: torch.device,
    dtype: torch.dtype,
    n: int,
    c: int,
    height: int,
    width: int,
    count: int,
    k: int,
    stride: int,
    label_type: torch.dtype = torch.uint8,
) -> Case:
    """`LayoutConv`; a tenth of the labels is out of range."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, min(255, count + count // 9 + 1), (n, height, width), generator=generator)
    labels = labels.to(device, label_type)
    table = draw(count, k * k, c, seed=2, device=device, dtype=dtype)
    bias = draw(c, seed=3, device=device, dtype=dtype)
    return Case(
        lambda: cuda.layout_conv(labels, table, bias, stride),
        lambda: layout_conv.reference(labels, table.double(), bias.double(), stride),
        (table, bias),
    )


def predicted(
    device: torch.device,
    dtype: torch.dtype,
    n: int,
    c: int,
    j: int,
    height: int,
    width: int,
    p: int,
    affine: bool,
    by_pixel: bool = False,
) -> Case:
    """`PredictedConv`; ``by_pixel`` gives ``h`` in ``channels_last`` order."""
    x, h, weight, bias, norm = _predictor(device, dtype, n, c, j, height, width, p, affine)
    if by_pixel:
        h = h.contiguous(memory_format=torch.channels_last)
    return Case(
        lambda: cuda.predicted_conv(x, h, weight, bias, *norm),
        lambda: predicted_conv.reference(*map(_double, (x, h, weight, bias, *norm))),
        (x, h),
    )


def quantized(
    device: torch.device,
    dtype: torch.dtype,
    n: int,
    c: int,
    j: int,
    height: int,
    width: int,
    p: int,
    affine: bool,
    levels: bool = False,
    by_pixel: bool = False,
) -> Case:
    """`QuantizedPredictedConv`; ``levels`` gives ``h`` in int8."""
    x, h, weight, bias, norm = _predictor(device, dtype, n, c, j, height, width, p, affine)
    h_scale = 0.02
    integers = (weight.float() * 40).round().clamp(-127, 127).to(torch.int8)
    integers = integers.contiguous(memory_format=torch.channels_last)
    weight_scale = torch.linspace(0.01, 0.03, c, device=device)
    if by_pixel:
        h = h.contiguous(memory_format=torch.channels_last)
    # The oracle's own rounding: division in float32, half to even.
    quotient = torch.round(h.float() / torch.tensor(h_scale, device=device)).clamp(-128, 127)
    given = quotient.to(torch.int8) if levels else h

    def expect() -> Tensor:
        scales = weight_scale.double().repeat_interleave(9)[:, None, None, None]
        exact_h = quotient.double() * float(torch.tensor(h_scale))
        tensors = (x, exact_h, integers.double() * scales, bias, *norm)
        return predicted_conv.reference(*map(_double, tensors))

    return Case(
        lambda: cuda.quantized_predicted_conv(
            x, given, integers, bias, *norm, h_scale=h_scale, weight_scale=weight_scale
        ),
        expect,
        (x, given),
    )


def _predictor(
    device: torch.device,
    dtype: torch.dtype,
    n: int,
    c: int,
    j: int,
    height: int,
    width: int,
    p: int,
    affine: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, list[Tensor | None]]:
    options = {"device": device, "dtype": dtype}
    x = draw(n, c, height, width, seed=1, **options)
    h = draw(n, j, height, width, seed=2, **options)
    weight = (draw(9 * c, j, p, p, seed=3, device=device) / (j * p * p) ** 0.5).to(dtype)
    bias = draw(9 * c, seed=4, **options)
    norm = [draw(c, seed=s, **options) if affine else None for s in (5, 6)]
    return x, h, weight, bias, norm


def _double(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.double()
