"""`layoutrt.operators.spatially_varying_conv` in torch: a depthwise convolution by pixel."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from layoutrt.operators.spatially_varying_conv import SPATIALLY_VARYING_CONV
from layoutrt.operators.torch import precision
from layoutrt.operators.torch.backends import cuda, native, triton


def kernel_size(x: Tensor, w: Tensor) -> int:
    """Kernel size ``k`` that the channel counts of ``x`` and ``w`` imply.

    Raises:
        ValueError: ``w`` is not ``[N, C*k*k, H, W]`` for ``x [N, C, H, W]`` and an odd ``k``.
    """
    taps, rest = divmod(w.shape[1], x.shape[1])
    k = math.isqrt(taps)
    if rest or k * k != taps or k % 2 == 0 or w.shape[0] != x.shape[0] or w.shape[2:] != x.shape[2:]:
        raise ValueError(
            f"{SPATIALLY_VARYING_CONV.name}: w must be [N, C*k*k, H, W] for x {list(x.shape)} and an odd k; "
            f"got {list(w.shape)}"
        )
    return k


def affine(x: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    """``scale * x + shift`` per channel, or ``x`` where both are None."""
    if scale is None or shift is None:
        return x
    return torch.addcmul(shift[:, None, None], x, scale[:, None, None])


def reference(x: Tensor, w: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """The operator as the paper writes it: unfold ``x`` and multiply. Slow and large; the oracle of tests.

    Args:
        x: float ``[N, C, H, W]``.
        w: float ``[N, C*k*k, H, W]``, channel ``c*k*k + tap``, taps row by row.
        scale, shift: float ``[C]``, both or neither.

    Returns:
        float ``[N, C, H, W]``.
    """
    n, c, height, width = x.shape
    k = kernel_size(x, w)
    columns = F.unfold(affine(x, scale, shift), k, padding=k // 2)
    return (columns.view(n, c, k * k, height, width) * w.view(n, c, k * k, height, width)).sum(2)


@torch.library.custom_op("layoutrt::spatially_varying_conv", mutates_args=())
def spatially_varying_conv(
    x: Tensor, w: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """The operator for training: ``x`` is never unfolded, forward or backward.

    Arguments and result are those of `reference`; `precision` says how types may differ.
    On CPU it is computed by the native library, on CUDA by Triton or by the CUDA library, as
    `cuda.PREFERRED` says; where those are missing or do not have the type (float64), by one fused
    multiply-add of torch per tap.
    """
    return forward(x, w, scale, shift)


def forward(x: Tensor, w: Tensor, scale: Tensor | None, shift: Tensor | None) -> Tensor:
    """`spatially_varying_conv` without its place in torch's dispatcher, for operators made of it."""
    k = kernel_size(x, w)
    result = precision.result_dtype(x, w)
    if triton.serves(x, w) and not cuda.preferred(SPATIALLY_VARYING_CONV.name, result, x, w):
        from layoutrt.operators.torch.backends.triton import spatially_varying_conv as kernels

        return kernels.forward(x, w, k, scale, shift, result)
    dtype = precision.compute_dtype(x, w)
    x, w, scale, shift = (
        x.to(dtype),
        w.to(dtype),
        precision.to_dtype(scale, dtype),
        precision.to_dtype(shift, dtype),
    )
    if k in cuda.KERNEL_SIZES and cuda.serves(x, w):
        return cuda.spatially_varying_conv(x, w, k, scale, shift)
    if k in native.KERNEL_SIZES and native.serves(x, w):
        return native.spatially_varying_conv(x, w, k, scale, shift).to(result)
    padded = F.pad(affine(x, scale, shift), (k // 2,) * 4)
    taps = w.unflatten(1, (x.shape[1], k * k))
    y = torch.zeros_like(x, memory_format=torch.contiguous_format)
    for t in range(k * k):
        y.addcmul_(taps[:, :, t], window(padded, t, k, x.shape))
    return y.to(result)


def window(padded: Tensor, tap: int, k: int, shape: torch.Size) -> Tensor:
    """View of the padded input that kernel position ``tap`` multiplies."""
    row, column = divmod(tap, k)
    return padded[:, :, row : row + shape[2], column : column + shape[3]]


@spatially_varying_conv.register_fake
def _(x: Tensor, w: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    dtype = precision.result_dtype(x, w)
    return torch.empty_like(x, dtype=dtype, memory_format=torch.contiguous_format)


def gradients(
    grad: Tensor, x: Tensor, w: Tensor, scale: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Gradients of the operator for ``x``, ``w``, ``scale`` and ``shift``, each of its argument's type."""
    k = kernel_size(x, w)
    if triton.serves(grad, x, w):
        from layoutrt.operators.torch.backends.triton import spatially_varying_conv as kernels

        return kernels.backward(grad, x, w, k, scale, shift)
    dtype = precision.compute_dtype(x, w)
    arguments = (
        grad.to(dtype),
        x.to(dtype),
        w.to(dtype),
        k,
        precision.to_dtype(scale, dtype),
        precision.to_dtype(shift, dtype),
    )
    served = k in native.KERNEL_SIZES and native.serves(*arguments[:3])
    compute = native.spatially_varying_conv_backward if served else _tap_by_tap_gradients
    grad_x, grad_w, grad_scale, grad_shift = compute(*arguments)
    return (
        grad_x.to(x.dtype),
        grad_w.to(w.dtype),
        None if scale is None else precision.to_dtype(grad_scale, scale.dtype),
        None if shift is None else precision.to_dtype(grad_shift, shift.dtype),
    )


def _tap_by_tap_gradients(
    grad: Tensor, x: Tensor, w: Tensor, k: int, scale: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    padded = F.pad(affine(x, scale, shift), (k // 2,) * 4)
    taps = w.unflatten(1, (x.shape[1], k * k))
    grad_padded = torch.zeros_like(padded)
    grad_taps = torch.empty_like(taps, memory_format=torch.contiguous_format)
    for t in range(k * k):
        torch.mul(grad, window(padded, t, k, x.shape), out=grad_taps[:, :, t])
        window(grad_padded, t, k, x.shape).addcmul_(taps[:, :, t], grad)
    grad_x = window(grad_padded, (k * k) // 2, k, x.shape)
    grad_w = grad_taps.flatten(1, 2)
    if scale is None or shift is None:
        return grad_x.contiguous(), grad_w, None, None
    return (
        grad_x * scale[:, None, None],
        grad_w,
        (grad_x * x).sum((0, 2, 3)),
        grad_x.sum((0, 2, 3)),
    )


@torch.library.custom_op("layoutrt::spatially_varying_conv_backward", mutates_args=())
def _backward(
    grad: Tensor, x: Tensor, w: Tensor, scale: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grad_x, grad_w, grad_scale, grad_shift = gradients(grad, x, w, scale, shift)
    # A custom op returns tensors only, so an absent gradient is an empty one.
    return (
        grad_x,
        grad_w,
        x.new_empty(0) if grad_scale is None else grad_scale,
        x.new_empty(0) if grad_shift is None else grad_shift,
    )


@_backward.register_fake
def _(grad: Tensor, x: Tensor, w: Tensor, scale: Tensor | None, shift: Tensor | None) -> tuple[Tensor, ...]:
    absent = x.new_empty(0)
    return (
        torch.empty_like(x, memory_format=torch.contiguous_format),
        torch.empty_like(w, memory_format=torch.contiguous_format),
        absent if scale is None else torch.empty_like(scale),
        absent.clone() if shift is None else torch.empty_like(shift),
    )


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)


def _autograd(ctx, grad):  # type: ignore[no-untyped-def]
    x, w, scale, shift = ctx.saved_tensors
    grads = _backward(grad, x, w, scale, shift)
    return grads if scale is not None else (*grads[:2], None, None)


spatially_varying_conv.register_autograd(_autograd, setup_context=_setup_context)
