"""The operators on CPU: calls into ``liblayoutrt`` with the tensors' memory.

The functions mirror ``runtime/native/training/training.h``. They take contiguous float32 CPU tensors of
checked shapes, run with as many threads as torch does, and their results do not depend on that number.
"""

from __future__ import annotations

import ctypes
import functools
import math

import torch
from torch import Tensor

from layoutrt import native_library
from layoutrt.errors import LayoutRTError

KERNEL_SIZES = (1, 3, 5, 7)
"""Kernel sizes ``k`` that the library has."""

PREDICTOR_SIZES = (1, 3)
"""Predictor sizes ``p`` that the library has for ``PredictedConv`` (``k = 3``); backward has the first."""

MAX_LABELS = 256
"""Rows that the table of ``LayoutConv`` may have."""

_OUT_OF_MEMORY = 5  # LRT_OUT_OF_MEMORY

_POINTERS = {
    "lrt_train_spatially_varying_conv": 5,
    "lrt_train_spatially_varying_conv_backward": 9,
    "lrt_train_predicted_conv": 7,
    "lrt_train_predicted_conv_backward": 13,
    "lrt_train_layout_conv": 4,
    "lrt_train_layout_conv_backward": 4,
}
_SIZES = {
    "lrt_train_spatially_varying_conv": (4, 2),
    "lrt_train_spatially_varying_conv_backward": (4, 2),
    "lrt_train_predicted_conv": (5, 2),
    "lrt_train_predicted_conv_backward": (5, 1),
    "lrt_train_layout_conv": (4, 4),
    "lrt_train_layout_conv_backward": (4, 4),
}
"""Numbers of int64 sizes and of int32 parameters that follow the pointers."""

# Below so many multiplications for each thread, starting a thread costs more than it saves.
_WORK_PER_THREAD = 1 << 18


@functools.cache
def library() -> ctypes.CDLL | None:
    """The native library, or None where it is missing or older than these functions."""
    signatures: dict[str, tuple[object, list[object]]] = {
        name: (
            ctypes.c_int,
            [ctypes.c_void_p] * pointers
            + [ctypes.c_int64] * _SIZES[name][0]
            + [ctypes.c_int32] * _SIZES[name][1],
        )
        for name, pointers in _POINTERS.items()
    }
    signatures["lrt_last_error"] = (ctypes.c_char_p, [])
    try:
        return native_library.load(signatures)
    except LayoutRTError:
        return None


def serves(*tensors: Tensor) -> bool:
    """True where these tensors are float32 (or integers) in the CPU's memory, and the library is there."""
    fitting = all(
        t.device.type == "cpu" and t.dtype in (torch.float32, torch.uint8) and t.numel() > 0 for t in tensors
    )
    return fitting and library() is not None


def spatially_varying_conv(
    x: Tensor, w: Tensor, k: int, scale: Tensor | None, shift: Tensor | None
) -> Tensor:
    """``SpatiallyVaryingConv``, as the `reference` of its module documents it."""
    x, w = x.contiguous(), w.contiguous()
    y = torch.empty_like(x)
    _call("lrt_train_spatially_varying_conv", w.numel(), [x, w, *_contiguous(scale, shift), y], [*x.shape, k])
    return y


def spatially_varying_conv_backward(
    grad: Tensor, x: Tensor, w: Tensor, k: int, scale: Tensor | None, shift: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Gradients for ``x``, ``w``, ``scale`` and ``shift``."""
    grad, x, w = grad.contiguous(), x.contiguous(), w.contiguous()
    scale, shift = _contiguous(scale, shift)
    grads = [None if t is None else torch.empty_like(t) for t in (x, w, scale, shift)]
    _call(
        "lrt_train_spatially_varying_conv_backward",
        2 * w.numel(),
        [grad, x, w, scale, shift, *grads],
        [*x.shape, k],
    )
    grad_x, grad_w, grad_scale, grad_shift = grads
    assert grad_x is not None
    assert grad_w is not None
    return grad_x, grad_w, grad_scale, grad_shift


def predicted_conv(
    x: Tensor, h: Tensor, weight: Tensor, bias: Tensor, scale: Tensor | None, shift: Tensor | None
) -> Tensor:
    """``PredictedConv`` with ``k = 3`` and ``p`` of `PREDICTOR_SIZES`."""
    x, h, weight, bias = (t.contiguous() for t in (x, h, weight, bias))
    y = torch.empty_like(x)
    n, c, height, width = x.shape
    _call(
        "lrt_train_predicted_conv",
        weight.numel() * n * height * width,
        [x, h, weight, bias, *_contiguous(scale, shift), y],
        [n, c, h.shape[1], height, width, weight.shape[-1]],
    )
    return y


def predicted_conv_backward(
    grad: Tensor,
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None]:
    """Gradients for all arguments, with ``k = 3`` and ``p = 1``."""
    grad, x, h, weight, bias = (t.contiguous() for t in (grad, x, h, weight, bias))
    scale, shift = _contiguous(scale, shift)
    grads = [torch.empty_like(t) for t in (x, h, weight, bias)]
    affine_grads = [None if t is None else torch.empty_like(t) for t in (scale, shift)]
    n, c, height, width = x.shape
    _call(
        "lrt_train_predicted_conv_backward",
        3 * weight.numel() * n * height * width,
        [grad, x, h, weight, bias, scale, shift, *grads, *affine_grads],
        [n, c, h.shape[1], height, width],
    )
    return grads[0], grads[1], grads[2], grads[3], affine_grads[0], affine_grads[1]


def layout_conv(labels: Tensor, table: Tensor, bias: Tensor, stride: int) -> Tensor:
    """``LayoutConv`` with up to `MAX_LABELS` labels."""
    labels, table, bias = labels.contiguous(), table.contiguous(), bias.contiguous()
    n, height, width = labels.shape
    count, taps, c = table.shape
    y = table.new_empty(n, c, -(-height // stride), -(-width // stride))
    _call(
        "lrt_train_layout_conv",
        y.numel() * taps,
        [labels, table, bias, y],
        [n, c, height, width, count, math.isqrt(taps), stride],
    )
    return y


def layout_conv_backward(grad: Tensor, labels: Tensor, table: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Gradients for ``table`` and ``bias``."""
    grad, labels = grad.contiguous(), labels.contiguous()
    grad_table = torch.empty_like(table, memory_format=torch.contiguous_format)
    count, taps, c = table.shape
    grad_bias = table.new_empty(c)
    _call(
        "lrt_train_layout_conv_backward",
        grad.numel() * taps,
        [grad, labels, grad_table, grad_bias],
        [labels.shape[0], c, *labels.shape[1:], count, math.isqrt(taps), stride],
    )
    return grad_table, grad_bias


def _contiguous(*tensors: Tensor | None) -> list[Tensor | None]:
    return [None if t is None else t.contiguous() for t in tensors]


def _call(name: str, work: int, tensors: list[Tensor | None], sizes: list[int]) -> None:
    loaded = library()
    assert loaded is not None, "`serves` is asked first"
    threads = max(1, min(torch.get_num_threads(), work // _WORK_PER_THREAD))
    pointers = [None if t is None else t.data_ptr() for t in tensors]
    status = getattr(loaded, name)(*pointers, *sizes, threads)
    if status == _OUT_OF_MEMORY:
        raise LayoutRTError("training ran out of memory in a native operator; use a smaller batch or size")
    if status != 0:
        raise LayoutRTError(loaded.lrt_last_error().decode(errors="replace"))
