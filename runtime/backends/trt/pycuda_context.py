"""The GPU's memory and streams through ``pycuda``, for machines that have TensorRT only as Python packages.

Contexts belong to threads: whoever touches the GPU makes the primary context, which TensorRT uses too, the
current one of its thread for the time being (`current`). PyCUDA has no API for CUDA graphs.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from layoutrt.errors import LayoutRTError

_STREAM_NON_BLOCKING = 1
"""``CU_STREAM_NON_BLOCKING``, for which PyCUDA has no name: it does not wait for the default stream."""


def import_pycuda() -> Any:
    """The module ``pycuda.driver``.

    Raises:
        LayoutRTError: it is not installed, or finds no driver.
    """
    try:
        return importlib.import_module("pycuda.driver")
    except ModuleNotFoundError:
        raise LayoutRTError(
            "running an engine in Python needs the package 'pycuda', which is not installed; install it "
            "with: pip install 'layoutrt[tensorrt]' (it is compiled, and needs CUDA's nvcc)"
        ) from None
    except ImportError as error:
        raise LayoutRTError(
            f"the package 'pycuda' cannot be loaded ({error}); install NVIDIA's driver, or reinstall pycuda "
            "with: pip install --force-reinstall --no-binary pycuda pycuda"
        ) from None


@functools.cache
def _primary_context(cuda: Any) -> Any:
    cuda.init()
    # Kept to the end: PyCUDA can release a context only in the thread that retained it.
    return cuda.Device(0).retain_primary_context()


@contextmanager
def current(cuda: Any) -> Iterator[None]:
    """The first GPU's primary context as the current one of this thread.

    Args:
        cuda: the module ``pycuda.driver``.
    """
    context = _primary_context(cuda)
    context.push()
    try:
        yield
    finally:
        context.pop()


def new_stream(cuda: Any) -> Any:
    """A stream that does not wait for the default one."""
    return cuda.Stream(_STREAM_NON_BLOCKING)


class StagedTensor:
    """Memory of one input or output: on the device, and page-locked on the host, where copies are fast.

    Both are allocated once, for the largest shape.

    Args:
        cuda: the module ``pycuda.driver``.
        size_bytes: size of the largest shape.
    """

    def __init__(self, cuda: Any, size_bytes: int) -> None:
        self._cuda = cuda
        self._device = cuda.mem_alloc(max(size_bytes, 1))
        self._host = cuda.pagelocked_empty(max(size_bytes, 1), np.uint8)
        self.size_bytes = size_bytes

    @property
    def address(self) -> int:
        """Address on the device."""
        return int(self._device)

    def pack(self, array: np.ndarray) -> None:
        """Copy a contiguous array to the host's side."""
        self._host[: array.nbytes].view(array.dtype).reshape(array.shape)[...] = array

    def send(self, size_bytes: int, stream: Any) -> None:
        """Enqueue the copy to the device."""
        self._cuda.memcpy_htod_async(self._device, self._host[:size_bytes], stream)

    def fetch(self, size_bytes: int, stream: Any) -> None:
        """Enqueue the copy from the device."""
        self._cuda.memcpy_dtoh_async(self._host[:size_bytes], self._device, stream)

    def unpack(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """A new array of what the host's side holds."""
        size_bytes = int(np.prod(shape)) * dtype.itemsize
        found: np.ndarray = self._host[:size_bytes].view(dtype).reshape(shape).copy()
        return found

    def free(self) -> None:
        """Give the memory back."""
        self._device.free()
        self._host = None
