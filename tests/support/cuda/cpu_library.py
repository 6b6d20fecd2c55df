"""A stand-in for ``liblayoutrt_cuda`` that takes the CPU's memory for the GPU's.

It shows what torch hands to the library, and lets code that calls it run where there is no GPU.
"""

from __future__ import annotations

import contextlib
import ctypes

import numpy as np
import pytest
import torch
from torch import Tensor

from layoutrt.operators.torch import (
    layout_conv,
    predicted_conv,
    quantized_predicted_conv,
    spatially_varying_conv,
)
from layoutrt.operators.torch.backends import cuda


def read(address: int | None, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor | None:
    """The tensor at an address."""
    if address is None:
        return None
    size = int(np.prod(shape)) * dtype.itemsize
    memory = (ctypes.c_uint8 * size).from_address(address)
    return torch.frombuffer(memory, dtype=dtype).reshape(shape)


def type_of(number: int) -> torch.dtype:
    """The element type that the header numbers so."""
    return next(dtype for dtype, other in cuda._TYPES.items() if other == number)


class CpuLibrary:
    """The header's promises for every function, computed by the operators' references."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.weights: list[int] = []
        self.layouts: list[int] = []
        self.error = 0

    def lrt_cuda_error_text(self, error: int) -> bytes:
        return b"no kernel image is available for execution on the device" if error == 209 else b"?"

    def lrt_cuda_spatially_varying_conv(self, x, w, scale, shift, y, n, c, height, width, k, type_, stream):
        self.calls.append("spatially_varying_conv")
        dtype = type_of(type_)
        image, affine = (n, c, height, width), [read(a, (c,), dtype) for a in (scale, shift)]
        taps = read(w, (n, c * k * k, height, width), dtype)
        return self._write(
            y, image, dtype, spatially_varying_conv.reference, read(x, image, dtype), taps, *affine
        )

    def lrt_cuda_layout_conv(
        self, labels, table, bias, y, n, c, height, width, count, k, stride, label_type, type_, stream
    ):
        self.calls.append("layout_conv")
        dtype = type_of(type_)
        shape = (n, c, -(-height // stride), -(-width // stride))
        arguments = (
            read(labels, (n, height, width), type_of(label_type)),
            read(table, (count, k * k, c), dtype),
            read(bias, (c,), dtype),
        )
        return self._write(y, shape, dtype, layout_conv.reference, *arguments, stride)

    def lrt_cuda_predicted_conv(
        self, x, h, weight, bias, scale, shift, y, n, c, features, height, width, p, h_layout, type_, stream
    ):
        self.calls.append("predicted_conv")
        dtype = type_of(type_)
        self.weights.append(weight)
        image = (n, c, height, width)
        arguments = [
            read(x, image, dtype),
            self._features(h, (n, features, height, width), h_layout, dtype),
            read(weight, (c * 9, p, p, features), dtype).permute(0, 3, 1, 2),
            read(bias, (c * 9,), dtype),
            *(read(a, (c,), dtype) for a in (scale, shift)),
        ]
        return self._write(y, image, dtype, predicted_conv.reference, *arguments)

    def lrt_cuda_quantized_predicted_conv(
        self, x, h, weight, weight_scale, bias, scale, shift, y,
        n, c, features, height, width, p, h_layout, y_layout, h_type, type_, h_scale, y_scale, stream,
    ):  # fmt: skip
        assert (y_layout, y_scale) == (0, 0)
        self.calls.append("quantized_predicted_conv")
        dtype = type_of(type_)
        image = (n, c, height, width)
        read_h = self._features(h, (n, features, height, width), h_layout, type_of(h_type))
        arguments = [
            read(x, image, dtype),
            read_h * h_scale if read_h.dtype == torch.int8 else read_h,
            read(weight, (c * 9, p, p, features), torch.int8).permute(0, 3, 1, 2),
            read(bias, (c * 9,), dtype),
            *(read(a, (c,), dtype) for a in (scale, shift)),
        ]
        scales = read(weight_scale, (c,), torch.float32).tolist()

        def reference(*arguments):
            return quantized_predicted_conv.reference(
                *arguments, h_scale=h_scale, h_zero_point=128, weight_scale=scales
            )

        return self._write(y, image, dtype, reference, *arguments)

    def _features(self, h, shape, layout, dtype):
        self.layouts.append(layout)
        n, features, height, width = shape
        if layout == 0:
            return read(h, shape, dtype)
        return read(h, (n, height, width, features), dtype).permute(0, 3, 1, 2)

    def _write(self, y, shape, dtype, reference, *arguments) -> int:
        if self.error:
            return self.error
        wide = [a.float() if isinstance(a, Tensor) and a.is_floating_point() else a for a in arguments]
        read(y, shape, dtype).copy_(reference(*wide))
        return 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let CPU tensors count as a GPU's, and this library be the one that is there."""
        monkeypatch.setattr(cuda, "library", lambda: self)
        monkeypatch.setattr(cuda, "_is_gpu", lambda device: True)
        monkeypatch.setattr(cuda, "_current_stream", lambda device: contextlib.nullcontext(None))
