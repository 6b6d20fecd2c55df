"""``pycuda.driver``, as far as its documentation and ``wrap_cudadrv.cpp`` go, with memory in this process.

Whatever needs a context fails without one, as it does in PyCUDA.
"""

from __future__ import annotations

import itertools
import sys
import threading
import types
from typing import Any

import numpy as np

COPY_MS = 0.25


class Device:
    """State that the doubles of TensorRT and PyCUDA share: memory by address, and a clock in ms."""

    def __init__(self) -> None:
        self.memory: dict[int, np.ndarray] = {}
        self.clock_ms = 0.0
        self.allocations = 0
        self.page_locked = 0
        self.limit_bytes: int | None = None
        self.fails: Exception | None = None
        self.addresses = itertools.count(0x7F00_0000_0000, 1 << 32)
        self.contexts = threading.local()

    def used_bytes(self) -> int:
        return sum(array.nbytes for array in self.memory.values())

    def depth(self) -> int:
        return getattr(self.contexts, "depth", 0)


def install(device: Device) -> types.ModuleType:
    """The modules ``pycuda`` and ``pycuda.driver``, in ``sys.modules``."""
    package, driver = types.ModuleType("pycuda"), types.ModuleType("pycuda.driver")
    package.driver = driver  # type: ignore[attr-defined]
    for name, value in _members(device).items():
        setattr(driver, name, value)
    sys.modules |= {"pycuda": package, "pycuda.driver": driver}
    return driver


def _members(device: Device) -> dict[str, Any]:
    class Error(Exception):
        pass

    class MemoryError_(Error, MemoryError):
        pass

    class LogicError(Error):
        pass

    def need_context() -> None:
        if not device.depth():
            raise LogicError("no currently active context?")
        if device.fails:
            raise device.fails

    class Context:
        def push(self) -> None:
            device.contexts.depth = device.depth() + 1

        @staticmethod
        def pop() -> None:
            if not device.depth():
                raise LogicError("context::pop failed: invalid device context - cannot pop")
            device.contexts.depth = device.depth() - 1

    class Device_:
        def __init__(self, ordinal: int) -> None:
            assert ordinal == 0

        def retain_primary_context(self) -> Context:
            return Context()

    class DeviceAllocation:
        def __init__(self, size: int) -> None:
            self._address = next(device.addresses)
            device.memory[self._address] = np.zeros(size, np.uint8)

        def __int__(self) -> int:
            return self._address

        def free(self) -> None:
            need_context()
            del device.memory[self._address]

    class Stream:
        def __init__(self, flags: int = 0) -> None:
            need_context()
            self.flags, self.handle = flags, 0xABC0

        def synchronize(self) -> None:
            need_context()

    class Event:
        def __init__(self, flags: int = 0) -> None:
            need_context()

        def record(self, stream: Stream | None = None) -> Event:
            assert isinstance(stream, Stream)
            self._at = device.clock_ms
            return self

        def time_till(self, event: Event) -> float:
            return event._at - self._at

    def mem_alloc(size: int, /) -> DeviceAllocation:
        need_context()
        device.allocations += 1
        if device.limit_bytes is not None and device.used_bytes() + size > device.limit_bytes:
            raise MemoryError_("cuMemAlloc failed: out of memory")
        return DeviceAllocation(size)

    def pagelocked_empty(shape: Any, dtype: Any, order: str = "C", mem_flags: int = 0) -> np.ndarray:
        need_context()
        device.page_locked += 1
        return np.empty(shape, dtype, order)  # type: ignore[call-overload]

    def memcpy_htod_async(dest: Any, src: np.ndarray, stream: Any = None) -> None:
        need_context()
        assert isinstance(stream, Stream)
        memoryview(src).cast("B")
        device.memory[int(dest)][: src.nbytes] = src.view(np.uint8).reshape(-1)
        device.clock_ms += COPY_MS

    def memcpy_dtoh_async(dest: np.ndarray, src: Any, stream: Any = None) -> None:
        need_context()
        assert isinstance(stream, Stream)
        dest.view(np.uint8).reshape(-1)[:] = device.memory[int(src)][: dest.nbytes]
        device.clock_ms += COPY_MS

    return {
        "Context": Context,
        "Device": Device_,
        "DeviceAllocation": DeviceAllocation,
        "Error": Error,
        "Event": Event,
        "LogicError": LogicError,
        "MemoryError": MemoryError_,
        "Stream": Stream,
        "get_version": lambda: (12, 6, 0),
        "init": lambda flags=0: None,
        "mem_alloc": mem_alloc,
        "memcpy_dtoh_async": memcpy_dtoh_async,
        "memcpy_htod_async": memcpy_htod_async,
        "pagelocked_empty": pagelocked_empty,
    }
