"""The operators on CUDA: calls into ``liblayoutrt_cuda`` with the tensors' memory, on torch's current stream.

The library holds the kernels that TensorRT's plugins run (``runtime/native/cuda``). It is built with
``pip install . -C cmake.define.LAYOUTRT_CUDA=ON``, needs no TensorRT, and lies beside ``liblayoutrt.so``; the
environment variable ``LAYOUTRT_CUDA_LIBRARY`` names another one. Its functions mirror
``runtime/native/cuda_api/cuda_api.h``. They allocate nothing and never wait, so a ``torch.cuda.CUDAGraph``
captures them.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from layoutrt import __version__, native_library
from layoutrt.errors import LayoutRTError

NAME = "liblayoutrt_cuda.so"

KERNEL_SIZES = (1, 3, 5, 7)
"""Kernel sizes ``k`` that the library has."""

PREDICTOR_SIZES = (1, 3)
"""Predictor sizes ``p`` that it has for the predicted convolutions (``k = 3``)."""

PREFERRED: dict[str, tuple[torch.dtype, ...]] = {
    "SpatiallyVaryingConv": (),
    "LayoutConv": (),
    "PredictedConv": (torch.float16, torch.float32),
}
"""Element types for which an operator is computed here although there is another way on CUDA.

That is Triton's kernels, or for ``PredictedConv`` convolutions of torch and ``SpatiallyVaryingConv``.
``make bench-gpu`` prints the times of both, for this table. No GPU has spoken for it yet: Triton's kernels
are those that training was made with, and only here the predicted kernels never reach memory.
"""

_TYPES = {torch.float32: 0, torch.float16: 1, torch.int8: 2, torch.uint8: 3, torch.int32: 4}
_NCHW, _NHWC8 = 0, 1
_NOT_QUANTIZED = 0.0
_FLOATING = (torch.float32, torch.float16)

_SIGNATURES = {
    # Pointers, then int32 numbers, then floats; the stream comes last.
    "lrt_cuda_spatially_varying_conv": (5, 6, 0),
    "lrt_cuda_layout_conv": (4, 9, 0),
    "lrt_cuda_predicted_conv": (7, 8, 0),
    "lrt_cuda_quantized_predicted_conv": (8, 10, 2),
}


def library_path() -> Path | None:
    """Path of the library, or None where it was not built.

    Raises:
        LayoutRTError: ``LAYOUTRT_CUDA_LIBRARY`` names a file that does not exist.
    """
    override = os.environ.get("LAYOUTRT_CUDA_LIBRARY")
    if override:
        if not Path(override).is_file():
            raise LayoutRTError(
                f"the CUDA library '{override}' that LAYOUTRT_CUDA_LIBRARY names does not exist; "
                "correct the variable or unset it"
            )
        return Path(override)
    try:
        beside = native_library.operator_library().with_name(NAME)
    except LayoutRTError:
        return None
    return beside if beside.is_file() else None


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library, or None where it was not built.

    Raises:
        LayoutRTError: it is there and cannot be loaded, or belongs to another version of layoutrt.
    """
    path = library_path()
    if path is None:
        return None
    try:
        loaded = ctypes.CDLL(str(path))
        for name, (pointers, numbers, floats) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype = ctypes.c_int32
            function.argtypes = (
                [ctypes.c_void_p] * pointers
                + [ctypes.c_int32] * numbers
                + [ctypes.c_float] * floats
                + [ctypes.c_void_p]
            )
        loaded.lrt_cuda_version.restype = ctypes.c_char_p
        loaded.lrt_cuda_error_text.restype = ctypes.c_char_p
        loaded.lrt_cuda_error_text.argtypes = [ctypes.c_int32]
        version = loaded.lrt_cuda_version().decode()
    except (OSError, AttributeError) as error:
        raise LayoutRTError(
            f"the CUDA library {path} cannot be loaded ({error}); {_REINSTALL}, or remove the file"
        ) from None
    if version != __version__:
        raise LayoutRTError(
            f"the CUDA library {path} belongs to layoutrt {version}, and this is {__version__}; {_REINSTALL}"
        )
    return loaded


_REINSTALL = "build it again with: pip install . -C cmake.define.LAYOUTRT_CUDA=ON"


def serves(*tensors: Tensor) -> bool:
    """True where these tensors are float32 or float16 on one GPU, and the library is there."""
    device = tensors[0].device
    fitting = all(t.device == device and t.dtype in _FLOATING and t.numel() > 0 for t in tensors)
    return fitting and _is_gpu(device) and library() is not None


def preferred(operator: str, dtype: torch.dtype, *tensors: Tensor) -> bool:
    """True where `serves` holds, and `PREFERRED` says so for the type that is computed in."""
    return dtype in PREFERRED[operator] and serves(*tensors)


def spatially_varying_conv(
    x: Tensor, w: Tensor, k: int, scale: Tensor | None, shift: Tensor | None
) -> Tensor:
    """``SpatiallyVaryingConv`` of tensors of one type, with ``k`` of `KERNEL_SIZES`."""
    x, w = x.contiguous(), w.contiguous()
    y = torch.empty_like(x)
    _launch(
        "lrt_cuda_spatially_varying_conv",
        [x, w, *_contiguous(scale, shift), y],
        [*x.shape, k, _TYPES[x.dtype]],
    )
    return y


def layout_conv(labels: Tensor, table: Tensor, bias: Tensor, stride: int) -> Tensor:
    """``LayoutConv`` of uint8 or int32 labels, ``table`` and ``bias`` of one type."""
    labels, table, bias = labels.contiguous(), table.contiguous(), bias.contiguous()
    n, height, width = labels.shape
    count, taps, channels = table.shape
    y = table.new_empty(n, channels, -(-height // stride), -(-width // stride))
    _launch(
        "lrt_cuda_layout_conv",
        [labels, table, bias, y],
        [
            n,
            channels,
            height,
            width,
            count,
            math.isqrt(taps),
            stride,
            _TYPES[labels.dtype],
            _TYPES[table.dtype],
        ],
    )
    return y


def predicted_conv(
    x: Tensor, h: Tensor, weight: Tensor, bias: Tensor, scale: Tensor | None, shift: Tensor | None
) -> Tensor:
    """``PredictedConv`` with ``k = 3`` and ``p`` of `PREDICTOR_SIZES`.

    All have the type of ``x`` but ``weight``, which is converted with its order. In float16, features in
    ``channels_last`` order whose number is a multiple of 8 are read as they are.
    """
    x, bias = x.contiguous(), bias.contiguous()
    h, layout = _features(h)
    y = torch.empty_like(x)
    n, channels, height, width = x.shape
    _launch(
        "lrt_cuda_predicted_conv",
        [x, h, ordered_weight(weight, x.dtype), bias, *_contiguous(scale, shift), y],
        [n, channels, h.shape[1], height, width, weight.shape[-1], layout, _TYPES[x.dtype]],
    )
    return y


def quantized_predicted_conv(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
    *,
    h_scale: float,
    weight_scale: Tensor,
) -> Tensor:
    """``QuantizedPredictedConv`` with symmetric levels (``h_zero_point`` = 128, as TensorRT has them).

    Args:
        x: float ``[N, C, H, W]``.
        h: tensor of the type of ``x``, or int8 ``[N, J, H, W]``, levels already.
        weight: int8 ``[C*9, J, p, p]``.
        bias: ``[C*9]``, of the type of ``x``; ``scale`` and ``shift`` ``[C]`` too.
        scale, shift: both or neither.
        h_scale: distance of two levels of ``h``.
        weight_scale: float32 ``[C]``.
    """
    x, bias, weight_scale = x.contiguous(), bias.contiguous(), weight_scale.contiguous()
    h, layout = _features(h)
    y = torch.empty_like(x)
    n, channels, height, width = x.shape
    numbers = [n, channels, h.shape[1], height, width, weight.shape[-1]]
    _launch(
        "lrt_cuda_quantized_predicted_conv",
        [x, h, ordered_weight(weight, torch.int8), weight_scale, bias, *_contiguous(scale, shift), y],
        [*numbers, layout, _NCHW, _TYPES[h.dtype], _TYPES[x.dtype], h_scale, _NOT_QUANTIZED],
    )
    return y


def ordered_weight(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """A predictor's weight ``[C*9, J, p, p]`` as the kernels read it: in `torch.channels_last` order.

    A weight that is in that order and type is taken as it is, and so is any of ``p = 1``. Of others a copy is
    kept as long as the weight lives, and made anew when the weight has changed. While a CUDA graph is
    captured no copy is kept, because the graph has to see what the weight is when it is replayed: give such a
    graph weights in ``channels_last`` order.
    """
    if weight.dtype == dtype and weight.is_contiguous(memory_format=torch.channels_last):
        return weight
    if weight.shape[-1] == 1 or weight.is_inference() or _capturing(weight):
        # Inference tensors do not say when they change.
        return _in_order(weight, dtype)
    state = (weight._version, weight.data_ptr(), dtype)
    stream = _stream_of(weight)
    known = _ordered.get(weight)
    if known is None or known[0] != state:
        made = _in_order(weight, dtype)
        known = _ordered[weight] = (state, made, stream, stream and stream.record_event())
    elif stream is not None and stream != known[2]:
        # The stream that made the copy may not have come so far, and must not reuse its memory too early.
        stream.wait_event(known[3])
        known[1].record_stream(stream)
    return known[1]


_ordered = WeakTensorKeyDictionary()


def _in_order(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)


def _features(h: Tensor) -> tuple[Tensor, int]:
    by_pixel = h.is_contiguous(memory_format=torch.channels_last) and not h.is_contiguous()
    aligned = h.data_ptr() % 16 == 0 and h.shape[1] % 8 == 0
    if by_pixel and h.dtype == torch.float16 and aligned:
        return h, _NHWC8
    return h.contiguous(), _NCHW


def _contiguous(*tensors: Tensor | None) -> list[Tensor | None]:
    return [None if t is None else t.contiguous() for t in tensors]


def _launch(name: str, tensors: Sequence[Tensor | None], numbers: Sequence[float]) -> None:
    loaded = library()
    assert loaded is not None, "`serves` is asked first"
    pointers = [None if t is None else t.data_ptr() for t in tensors]
    assert tensors[0] is not None
    with _current_stream(tensors[0].device) as stream:
        error = getattr(loaded, name)(*pointers, *numbers, stream)
    if error:
        text = loaded.lrt_cuda_error_text(error).decode()
        raise LayoutRTError(f"{name} failed: {text}; {_REMEDIES.get(error, _OTHER_REMEDY)}")


_REMEDIES = {
    35: "install a newer NVIDIA driver",
    98: f"the library was built for other GPUs, so {_REINSTALL}",
    209: f"the library was built for other GPUs, so {_REINSTALL}",
    222: f"the library was built by a newer CUDA than this driver knows: update the driver, or {_REINSTALL}",
    716: "the result does not start at a multiple of its element pairs; give a tensor of its own memory",
}
"""Messages by ``cudaError_t``."""
_OTHER_REMEDY = "CUDA_LAUNCH_BLOCKING=1 shows whether an earlier launch failed"


def _is_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def _stream_of(tensor: Tensor) -> torch.cuda.Stream | None:
    """The current one of the tensor's device."""
    return torch.cuda.current_stream(tensor.device) if tensor.is_cuda else None


def _capturing(tensor: Tensor) -> bool:
    return tensor.is_cuda and torch.cuda.is_current_stream_capturing()


@contextlib.contextmanager
def _current_stream(device: torch.device) -> Iterator[int]:
    with torch.cuda.device(device):
        yield torch.cuda.current_stream(device).cuda_stream
