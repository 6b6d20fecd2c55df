"""``LayoutConv`` in Triton: look-ups forward; backward, products with one-hot blocks made in registers."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

PIXELS = 64
CHANNELS = 32
LABELS = 16
CHUNK = 4096
"""Output pixels that one program of the backward pass adds up."""


@triton.jit
def _label_under_tap(  # type: ignore[no-untyped-def]
    labels,
    image,
    p,
    t,
    inside,
    height,
    width,
    out_width,
    count,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
):
    row = p // out_width * STRIDE + t // K - K // 2
    column = p % out_width * STRIDE + t % K - K // 2
    valid = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    label = tl.load(labels + image * height * width + row * width + column, valid, 0).to(tl.int32)
    return tl.where(valid & (label < count), label, count)


@triton.jit
def _forward(  # type: ignore[no-untyped-def]
    labels,
    table,
    bias,
    y,
    count,
    channels,
    height,
    width,
    out_width,
    pixels,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    image = tl.program_id(2).to(tl.int64)
    p = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = p < pixels
    total = tl.zeros([CHANNELS, PIXELS], tl.float32)
    total += tl.load(bias + c, c < channels, 0.0).to(tl.float32)[:, None]
    for t in tl.static_range(K * K):
        label = _label_under_tap(labels, image, p, t, inside, height, width, out_width, count, K, STRIDE)
        known = (c < channels)[:, None] & (label < count)[None, :]
        at = (label[None, :] * (K * K) + t) * channels + c[:, None]
        total += tl.load(table + at, known, 0.0).to(tl.float32)
    to = y + (image * channels + c[:, None]) * pixels + p[None, :]
    tl.store(to, total, (c < channels)[:, None] & inside[None, :])


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    grad,
    labels,
    shares,
    count,
    channels,
    height,
    width,
    out_width,
    pixels,
    chunks,
    K: tl.constexpr,
    STRIDE: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    LABELS: tl.constexpr,
    CHUNK: tl.constexpr,
):
    chunk = tl.program_id(0)
    image = (chunk // chunks).to(tl.int64)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    tap = tl.program_id(2) % (K * K)
    row = tl.program_id(2) // (K * K) * LABELS + tl.arange(0, LABELS)
    total = tl.zeros([LABELS, CHANNELS], tl.float32)
    first = chunk % chunks * CHUNK
    for start in range(first, tl.minimum(first + CHUNK, pixels), PIXELS):
        p = start + tl.arange(0, PIXELS)
        inside = p < pixels
        label = _label_under_tap(labels, image, p, tap, inside, height, width, out_width, count, K, STRIDE)
        one_hot = (row[:, None] == label[None, :]).to(tl.float32)
        at = (image * channels + c[None, :]) * pixels + p[:, None]
        value = tl.load(grad + at, inside[:, None] & (c < channels)[None, :], 0.0).to(tl.float32)
        total += tl.dot(one_hot, value, input_precision="ieee")
    at = ((chunk.to(tl.int64) * count + row[:, None]) * (K * K) + tap) * channels + c[None, :]
    tl.store(shares + at, total, (row < count)[:, None] & (c < channels)[None, :])


def forward(labels: Tensor, table: Tensor, bias: Tensor, stride: int) -> Tensor:
    """The operator's result in the table's type; arguments as in its `reference`."""
    labels, table, bias = labels.contiguous(), table.contiguous(), bias.contiguous()
    n, height, width = labels.shape
    count, taps, channels = table.shape
    out_height, out_width = -(-height // stride), -(-width // stride)
    pixels = out_height * out_width
    y = table.new_empty(n, channels, out_height, out_width)
    grid = (triton.cdiv(pixels, PIXELS), triton.cdiv(channels, CHANNELS), n)
    _forward[grid](
        labels, table, bias, y, count, channels, height, width, out_width, pixels,
        math.isqrt(taps), stride, PIXELS, CHANNELS,
    )  # fmt: skip
    return y


def backward(grad: Tensor, labels: Tensor, table: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Gradients for ``table`` and ``bias``, of the table's type."""
    grad, labels = grad.contiguous(), labels.contiguous()
    n, height, width = labels.shape
    count, taps, channels = table.shape
    out_width = grad.shape[3]
    pixels = grad.shape[2] * out_width
    chunks = triton.cdiv(pixels, CHUNK)
    shares = torch.empty(n * chunks, count, taps, channels, device=grad.device)
    grid = (n * chunks, triton.cdiv(channels, CHANNELS), taps * triton.cdiv(count, LABELS))
    _backward[grid](
        grad, labels, shares, count, channels, height, width, out_width, pixels, chunks,
        math.isqrt(taps), stride, PIXELS, CHANNELS, LABELS, CHUNK,
    )  # fmt: skip
    grad_bias = grad.sum((0, 2, 3), dtype=torch.float32)
    return shares.sum(0).to(table.dtype), grad_bias.to(table.dtype)
