"""``SpatiallyVaryingConv`` in Triton: memory traffic only, ``x`` never unfolded.

A program computes a block of pixels of one plane, a plane being one channel of one image.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 512


@triton.jit
def _forward(  # type: ignore[no-untyped-def]
    x,
    w,
    scale,
    shift,
    y,
    channels,
    height,
    width,
    K: tl.constexpr,
    AFFINE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    pixels = height * width
    plane = tl.program_id(1).to(tl.int64)
    p = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = p // width, p % width
    inside = p < pixels
    total = tl.zeros([BLOCK], tl.float32)
    for t in tl.static_range(K * K):
        r, c = row + t // K - K // 2, column + t % K - K // 2
        valid = inside & (r >= 0) & (r < height) & (c >= 0) & (c < width)
        value = tl.load(x + plane * pixels + r * width + c, valid, 0.0).to(tl.float32)
        if AFFINE:
            a = tl.load(scale + plane % channels).to(tl.float32)
            b = tl.load(shift + plane % channels).to(tl.float32)
            value = tl.where(valid, value * a + b, 0.0)
        total += value * tl.load(w + (plane * K * K + t) * pixels + p, inside, 0.0).to(tl.float32)
    tl.store(y + plane * pixels + p, total, inside)


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    grad,
    x,
    w,
    scale,
    shift,
    grad_x,
    grad_w,
    sums,
    channels,
    height,
    width,
    K: tl.constexpr,
    AFFINE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    pixels = height * width
    plane = tl.program_id(1).to(tl.int64)
    p = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row, column = p // width, p % width
    inside = p < pixels
    here = tl.load(grad + plane * pixels + p, inside, 0.0).to(tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    if AFFINE:
        a = tl.load(scale + plane % channels).to(tl.float32)
        b = tl.load(shift + plane % channels).to(tl.float32)
    for t in tl.static_range(K * K):
        # Tap t looks down and right by (dy, dx); this pixel is under tap t of the one that lies at minus it.
        dy, dx = t // K - K // 2, t % K - K // 2
        r, c = row + dy, column + dx
        valid = inside & (r >= 0) & (r < height) & (c >= 0) & (c < width)
        value = tl.load(x + plane * pixels + r * width + c, valid, 0.0).to(tl.float32)
        if AFFINE:
            value = tl.where(valid, value * a + b, 0.0)
        tl.store(grad_w + (plane * K * K + t) * pixels + p, here * value, inside)
        r, c = row - dy, column - dx
        valid = inside & (r >= 0) & (r < height) & (c >= 0) & (c < width)
        there = tl.load(grad + plane * pixels + r * width + c, valid, 0.0).to(tl.float32)
        kernel = tl.load(w + (plane * K * K + t) * pixels + r * width + c, valid, 0.0).to(tl.float32)
        total += there * kernel
    if AFFINE:
        center = tl.load(x + plane * pixels + p, inside, 0.0).to(tl.float32)
        share = sums + (plane * tl.num_programs(0) + tl.program_id(0)) * 2
        tl.store(share, tl.sum(total * center))
        tl.store(share + 1, tl.sum(total))
        total *= a
    tl.store(grad_x + plane * pixels + p, total, inside)


def forward(
    x: Tensor, w: Tensor, k: int, scale: Tensor | None, shift: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """The operator's result in ``dtype``; arguments as in its `reference`."""
    x, w = x.contiguous(), w.contiguous()
    n, channels, height, width = x.shape
    y = torch.empty_like(x, dtype=dtype)
    # Without an affine its pointers are never read; x stands in for them.
    a, b = (x, x) if scale is None or shift is None else (scale.contiguous(), shift.contiguous())
    grid = (triton.cdiv(height * width, BLOCK), n * channels)
    _forward[grid](x, w, a, b, y, channels, height, width, k, scale is not None, BLOCK)
    return y


def backward(
    grad: Tensor, x: Tensor, w: Tensor, k: int, scale: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Gradients for ``x``, ``w``, ``scale`` and ``shift``, each of its argument's type, in one pass."""
    grad, x, w = grad.contiguous(), x.contiguous(), w.contiguous()
    n, channels, height, width = x.shape
    grad_x, grad_w = torch.empty_like(x), torch.empty_like(w)
    a, b = (x, x) if scale is None or shift is None else (scale.contiguous(), shift.contiguous())
    grid = (triton.cdiv(height * width, BLOCK), n * channels)
    sums = torch.empty(n, channels, grid[0], 2, device=x.device)
    _backward[grid](
        grad, x, w, a, b, grad_x, grad_w, sums, channels, height, width, k, scale is not None, BLOCK
    )
    if scale is None or shift is None:
        return grad_x, grad_w, None, None
    by_channel = sums.sum((0, 2))
    return grad_x, grad_w, by_channel[:, 0].to(scale.dtype), by_channel[:, 1].to(shift.dtype)
