"""The operators that move memory, on a GPU: our CUDA kernels, Triton's, and the published formulation."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gpu_ceilings import Ceilings
from benchmarks.gpu_clock import Clock, Run, draw
from benchmarks.rows import Row, less_is_better, more_is_better
from layoutrt.operators.torch.backends import cuda, triton
from layoutrt.operators.torch.layout_conv import weight_from_table
from layoutrt.operators.torch.spatially_varying_conv import reference

LABELS = 184
"""COCO-Stuff's classes and "don't care"."""
DTYPES = {"FP16": torch.float16, "FP32": torch.float32}
OURS, TRITON, PUBLISHED = "ours", "Triton", "published formulation"


def operator_rows(
    device: torch.device, clock: Clock, ceilings: Ceilings, side: int, channels: tuple[int, ...]
) -> Iterator[Row]:
    """Rows of `SpatiallyVaryingConv` (with its folded norm) and `LayoutConv`, with caches cold.

    Args:
        device: where.
        clock: clock to time with.
        ceilings: peaks of that device.
        side: height and width of the images, in pixels.
        channels: numbers of channels to measure.
    """
    for operator, candidates in (("SpatiallyVaryingConv", _varying), ("LayoutConv", _layout)):
        for precision, dtype in DTYPES.items():
            for c in channels:
                runs, size = candidates(device, dtype, side, c)
                ms = clock.medians({name: clock.capture(run) for name, run in runs.items()}, cold=True)
                name = f"{operator} {precision} C={c} {side}x{side}"
                target = "ratio >= 0.8"
                achieved = size / ms[OURS] / 1e6
                yield more_is_better(
                    f"{name} / copying as many bytes", achieved, ceilings.copy_gbs, "GB/s", target
                )
                for theirs in (TRITON, PUBLISHED):
                    if theirs in ms:
                        yield less_is_better(f"{name} / {theirs}", ms[OURS], ms[theirs], "ms")


def _varying(device: torch.device, dtype: torch.dtype, side: int, c: int) -> tuple[dict[str, Run], int]:
    """The candidates, and the bytes that must be moved."""
    x = draw(1, c, side, side, device=device, dtype=dtype)
    w = draw(1, 9 * c, side, side, device=device, dtype=dtype)
    scale, shift = (draw(c, device=device, dtype=dtype) for _ in range(2))
    runs: dict[str, Run] = {OURS: lambda: cuda.spatially_varying_conv(x, w, 3, scale, shift)}
    if triton.serves(x, w):
        from layoutrt.operators.torch.backends.triton import spatially_varying_conv as kernels

        runs[TRITON] = lambda: kernels.forward(x, w, 3, scale, shift, dtype)
    runs[PUBLISHED] = lambda: reference(x, w, scale, shift)
    return runs, 11 * x.nbytes


def _layout(device: torch.device, dtype: torch.dtype, side: int, c: int) -> tuple[dict[str, Run], int]:
    labels = patches(device, side)
    table, bias = draw(LABELS, 9, c, device=device, dtype=dtype), draw(c, device=device, dtype=dtype)
    weight = weight_from_table(table)
    runs: dict[str, Run] = {OURS: lambda: cuda.layout_conv(labels, table, bias, 1)}
    if triton.serves(table):
        from layoutrt.operators.torch.backends.triton import layout_conv as kernels

        runs[TRITON] = lambda: kernels.forward(labels, table, bias, 1)

    def published() -> Tensor:
        one_hot = torch.zeros(1, LABELS, side, side, device=device, dtype=dtype)
        one_hot.scatter_(1, labels.long().unsqueeze(1), 1.0)
        return F.conv2d(one_hot, weight, bias, padding=1)

    runs[PUBLISHED] = published
    return runs, c * side * side * dtype.itemsize + labels.nbytes + table.nbytes


def patches(device: torch.device, side: int) -> Tensor:
    """uint8 ``[1, side, side]``: labels in patches of 16 pixels, as label maps have them."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(0, LABELS, (1, -(-side // 16), -(-side // 16)), generator=generator)
    labels = coarse.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, :side, :side]
    return labels.to(torch.uint8).contiguous().to(device)
