"""`layoutrt.operators.predicted_conv` in torch: predict a kernel for every pixel and apply it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.torch import precision
from layoutrt.operators.torch import spatially_varying_conv as svc
from layoutrt.operators.torch.backends import cuda, native


def reference(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """The two operators one after the other; the oracle of tests.

    Args:
        x: float ``[N, C, H, W]``.
        h: float ``[N, J, H, W]``, features the kernels are predicted from.
        weight: float ``[C*k*k, J, p, p]``, ``p`` odd.
        bias: float ``[C*k*k]``.
        scale, shift: float ``[C]``, both or neither.

    Returns:
        float ``[N, C, H, W]``.
    """
    kernels = F.conv2d(h, weight, bias, padding=weight.shape[-1] // 2)
    return svc.reference(x, kernels, scale, shift)


@torch.library.custom_op("layoutrt::predicted_conv", mutates_args=())
def predicted_conv(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """The operator for training: the predicted kernels never exist whole, forward or backward.

    Arguments and result are those of `reference`; `precision` says how types may differ.
    On CPU the native library predicts and applies the kernels of a few pixels at a time (``k = 3``; ``p = 1``
    or 3 forward, 1 backward), and so does the CUDA library forward. Elsewhere a few channels at a time are
    predicted by a convolution of torch and applied by `spatially_varying_conv`. The gradient predicts them
    again.
    """
    result = precision.result_dtype(x, h)
    if _on_cuda(x, h, weight):
        x, h, bias = (t.to(result) for t in (x, h, bias))
        scale, shift = precision.to_dtype(scale, result), precision.to_dtype(shift, result)
        # The weight is converted and put into the kernels' order at once.
        return cuda.predicted_conv(x, h, weight, bias, scale, shift)
    x, h, weight, bias = _cast(x, h, weight, bias)
    if _has_native(x, h, weight, native.PREDICTOR_SIZES):
        scale, shift = precision.to_dtype(scale, x.dtype), precision.to_dtype(shift, x.dtype)
        return native.predicted_conv(x, h, weight, bias, scale, shift).to(result)
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    for channels, rows in _channel_groups(x, weight):
        kernels = _predict(h, weight[rows], bias[rows])
        y[:, channels] = svc.forward(x[:, channels], kernels, _part(scale, channels), _part(shift, channels))
    return y.to(result)


# Elements of predicted kernels that exist at a time: 16 MB in float32.
_GROUP_ELEMENTS = 1 << 22


def _channel_groups(x: Tensor, weight: Tensor) -> Iterator[tuple[slice, slice]]:
    """Ranges of channels, with the rows of the predictor that belong to them."""
    channels = x.shape[1]
    taps = weight.shape[0] // channels
    step = max(1, _GROUP_ELEMENTS // max(1, taps * x.shape[0] * x.shape[2] * x.shape[3]))
    for first in range(0, channels, step):
        last = min(first + step, channels)
        yield slice(first, last), slice(first * taps, last * taps)


def _part(vector: Tensor | None, channels: slice) -> Tensor | None:
    return None if vector is None else vector[channels]


def _cast(x: Tensor, h: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """All in the type that the operator is computed in for ``x`` and ``h``."""
    dtype = precision.compute_dtype(x, h)
    return tuple(t.to(dtype) for t in (x, h, *others))


def _has_native(x: Tensor, h: Tensor, weight: Tensor, predictor_sizes: tuple[int, ...]) -> bool:
    three_by_three = weight.shape[0] == 9 * x.shape[1]
    return three_by_three and weight.shape[-1] in predictor_sizes and native.serves(x, h, weight)


def _on_cuda(x: Tensor, h: Tensor, weight: Tensor) -> bool:
    served = weight.shape[0] == 9 * x.shape[1] and weight.shape[-1] in cuda.PREDICTOR_SIZES
    return served and cuda.preferred(PREDICTED_CONV.name, precision.result_dtype(x, h), x, h, weight)


def _predict(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    with torch.autocast(h.device.type, enabled=False):
        return F.conv2d(h, weight, bias, padding=weight.shape[-1] // 2)


@predicted_conv.register_fake
def _(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    dtype = precision.result_dtype(x, h)
    return torch.empty_like(x, dtype=dtype, memory_format=torch.contiguous_format)


Gradients = tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None]


def gradients(
    grad: Tensor,
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
) -> Gradients:
    """Gradients of the operator for all its arguments, in the type that it is computed in."""
    x, h, weight, bias, grad = _cast(x, h, weight, bias, grad)
    scale, shift = precision.to_dtype(scale, x.dtype), precision.to_dtype(shift, x.dtype)
    # With more features than fit the cache, torch's convolutions are the faster way.
    if h.shape[1] <= _NATIVE_FEATURES and _has_native(x, h, weight, (1,)):
        return native.predicted_conv_backward(grad, x, h, weight, bias, scale, shift)
    return _gradients_by_channels(grad, x, h, weight, bias, scale, shift)


_NATIVE_FEATURES = 64


def _gradients_by_channels(
    grad: Tensor,
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
) -> Gradients:
    pad = weight.shape[-1] // 2
    contiguous = torch.contiguous_format
    grad_x, grad_weight, grad_bias = (
        torch.empty_like(t, memory_format=contiguous) for t in (x, weight, bias)
    )
    # Half precision would lose what the later groups add.
    grad_h = torch.zeros_like(h, dtype=torch.promote_types(h.dtype, torch.float32), memory_format=contiguous)
    affine = [None if t is None else torch.empty_like(t) for t in (scale, shift)]
    for channels, rows in _channel_groups(x, weight):
        kernels = _predict(h, weight[rows], bias[rows])
        group_x, group_kernels, *group_affine = svc.gradients(
            grad[:, channels], x[:, channels], kernels, _part(scale, channels), _part(shift, channels)
        )
        del kernels
        size = [group_kernels.shape[1]]
        group_h, grad_weight[rows], grad_bias[rows] = torch.ops.aten.convolution_backward(
            group_kernels, h, weight[rows], size, [1, 1], [pad, pad], [1, 1], False, [0, 0], 1, [True] * 3
        )
        grad_x[:, channels] = group_x
        grad_h += group_h
        for whole, part in zip(affine, group_affine, strict=True):
            if whole is not None and part is not None:
                whole[channels] = part
    return grad_x, grad_h, grad_weight, grad_bias, affine[0], affine[1]


@torch.library.custom_op("layoutrt::predicted_conv_backward", mutates_args=())
def _backward(
    grad: Tensor,
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    grads = gradients(grad, x, h, weight, bias, scale, shift)
    # A custom op returns tensors only, so an absent gradient is an empty one.
    typed = [
        x.new_empty(0) if g is None or t is None else g.to(t.dtype)
        for g, t in zip(grads, (x, h, weight, bias, scale, shift), strict=True)
    ]
    return typed[0], typed[1], typed[2], typed[3], typed[4], typed[5]


@_backward.register_fake
def _(
    grad: Tensor,
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
) -> tuple[Tensor, ...]:
    like = [torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, h, weight, bias)]
    return (
        *like,
        x.new_empty(0) if scale is None else torch.empty_like(scale),
        x.new_empty(0) if shift is None else torch.empty_like(shift),
    )


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)


def _autograd(ctx, grad):  # type: ignore[no-untyped-def]
    saved = ctx.saved_tensors
    grads = _backward(grad, *saved)
    return grads if saved[4] is not None else (*grads[:4], None, None)


predicted_conv.register_autograd(_autograd, setup_context=_setup_context)
