"""`layoutrt.operators.layout_conv` in torch: the convolution of a one-hot layout, as table look-ups."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from layoutrt.operators.layout_conv import LAYOUT_CONV
from layoutrt.operators.torch.backends import cuda, native, triton


def kernel_size(table: Tensor) -> int:
    """Kernel size ``k`` of a table ``[L, k*k, C]``.

    Raises:
        ValueError: the middle dimension is not the square of an odd number.
    """
    k = math.isqrt(table.shape[1])
    if k * k != table.shape[1] or k % 2 == 0:
        raise ValueError(
            f"{LAYOUT_CONV.name}: table must be [L, k*k, C] for an odd k; got {list(table.shape)}"
        )
    return k


def table_from_weight(weight: Tensor) -> Tensor:
    """``[C, L, k, k]`` convolution weight -> ``[L, k*k, C]`` table."""
    return weight.flatten(2).permute(1, 2, 0).contiguous()


def weight_from_table(table: Tensor) -> Tensor:
    """``[L, k*k, C]`` table -> ``[C, L, k, k]`` convolution weight."""
    k = kernel_size(table)
    return table.permute(2, 0, 1).unflatten(2, (k, k)).contiguous()


def reference(labels: Tensor, table: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolution of the one-hot layout, as written in the definition; the oracle of tests.

    Args:
        labels: uint8 ``[N, H, W]``, class indices.
        table: float ``[L, k*k, C]``.
        bias: float ``[C]``.
        stride: 1 or 2.

    Returns:
        float ``[N, C, ceil(H/stride), ceil(W/stride)]``.
    """
    one_hot = torch.stack([labels == label for label in range(table.shape[0])], 1).to(table.dtype)
    return F.conv2d(one_hot, weight_from_table(table), bias, stride=stride, padding=kernel_size(table) // 2)


def tap_labels(labels: Tensor, num_labels: int, k: int, stride: int) -> list[Tensor]:
    """For each tap, the int64 label ``[N, Ho, Wo]`` under it; ``num_labels`` where there is none."""
    height, width = labels.shape[1:]
    padded = F.pad(labels.long().clamp(max=num_labels), (k // 2,) * 4, value=num_labels)
    return [
        padded[:, t // k : t // k + height : stride, t % k : t % k + width : stride] for t in range(k * k)
    ]


@torch.library.custom_op("layoutrt::layout_conv", mutates_args=())
def layout_conv(labels: Tensor, table: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """The operator by look-up, with the result in the table's type; arguments are those of `reference`.

    On CPU float32 tables are looked up by the native library, on CUDA by Triton or by the CUDA library, as
    `cuda.PREFERRED` says, others by torch.
    """
    k = kernel_size(table)
    bias = bias.to(table.dtype)
    if triton.serves(table) and not cuda.preferred(LAYOUT_CONV.name, table.dtype, table):
        from layoutrt.operators.torch.backends.triton import layout_conv as kernels

        return kernels.forward(labels, table, bias, stride)
    if k in cuda.KERNEL_SIZES and labels.dtype == torch.uint8 and labels.numel() and cuda.serves(table):
        return cuda.layout_conv(labels, table, bias, stride)
    num_labels, _, channels = table.shape
    if _has_native(labels, table):
        return native.layout_conv(labels, table, bias, stride)
    with_nothing = torch.cat([table, table.new_zeros(1, *table.shape[1:])])
    taps = tap_labels(labels, num_labels, k, stride)
    y = bias.expand(*taps[0].shape, channels).clone()
    for t, index in enumerate(taps):
        y += F.embedding(index, with_nothing[:, t])
    return y.permute(0, 3, 1, 2).contiguous()


def _has_native(labels: Tensor, table: Tensor) -> bool:
    fitting = table.shape[0] <= native.MAX_LABELS and kernel_size(table) in native.KERNEL_SIZES
    return fitting and labels.dtype == torch.uint8 and native.serves(labels, table)


@layout_conv.register_fake
def _(labels: Tensor, table: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    n, height, width = labels.shape
    return table.new_empty(n, table.shape[2], -(-height // stride), -(-width // stride))


@torch.library.custom_op("layoutrt::layout_conv_backward", mutates_args=())
def _backward(grad: Tensor, labels: Tensor, table: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    if triton.serves(grad, table):
        from layoutrt.operators.torch.backends.triton import layout_conv as kernels

        return kernels.backward(grad, labels, table, stride)
    grad = grad.to(table.dtype)
    if _has_native(labels, table):
        return native.layout_conv_backward(grad, labels, table, stride)
    num_labels, _, channels = table.shape
    by_pixel = grad.permute(0, 2, 3, 1).reshape(-1, channels)
    grad_table = torch.empty_like(table, memory_format=torch.contiguous_format)
    for t, index in enumerate(tap_labels(labels, num_labels, kernel_size(table), stride)):
        sums = table.new_zeros(num_labels + 1, channels).index_add_(0, index.reshape(-1), by_pixel)
        grad_table[:, t] = sums[:num_labels]
    return grad_table, by_pixel.sum(0)


@_backward.register_fake
def _(grad: Tensor, labels: Tensor, table: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(table, memory_format=torch.contiguous_format), table.new_empty(table.shape[2])


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    labels, table, bias, ctx.stride = inputs
    ctx.bias_dtype = bias.dtype
    ctx.save_for_backward(labels, table)


def _autograd(ctx, grad):  # type: ignore[no-untyped-def]
    grad_table, grad_bias = _backward(grad, *ctx.saved_tensors, ctx.stride)
    return None, grad_table, grad_bias.to(ctx.bias_dtype), None


layout_conv.register_autograd(_autograd, setup_context=_setup_context)
