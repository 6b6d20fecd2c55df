"""Memory as TensorRT's ``IHostMemory`` gives it to Python.

Its buffer has elements of one byte whose format is that of a float (``host_memory_buffer_interface`` in
``pyFoundationalTypes.cpp`` of both versions). Copying and hashing work, and comparing it raises
``struct.error``. Only the C API makes such a buffer.
"""

from __future__ import annotations

import ctypes

_ONE = ctypes.c_ssize_t * 1


class _Buffer(ctypes.Structure):
    """``Py_buffer``."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.POINTER(ctypes.c_ssize_t)),
        ("strides", ctypes.POINTER(ctypes.c_ssize_t)),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_kept: list[object] = []
"""Memory that views point to: they own nothing."""


def host_memory(content: bytes) -> memoryview:
    """A view of a copy of ``content``."""
    memory, shape, strides = ctypes.create_string_buffer(content, len(content)), _ONE(len(content)), _ONE(1)
    buffer = _Buffer(
        buf=ctypes.addressof(memory), len=len(content), itemsize=1, ndim=1, format=b"f",
        shape=shape, strides=strides,
    )  # fmt: skip
    _kept.append((memory, shape, strides, buffer))
    make = ctypes.pythonapi.PyMemoryView_FromBuffer
    make.restype = ctypes.py_object
    view: memoryview = make(ctypes.byref(buffer))
    return view
