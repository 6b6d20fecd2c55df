"""The C API of the native library ``liblayoutrt.so``, as ctypes sees it, and the ONNX Runtime it uses.

The declarations mirror ``runtime/native/include/layoutrt/layoutrt.h``, which documents them.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from pathlib import Path

from layoutrt import native_library
from layoutrt.errors import LayoutRTError
from layoutrt.native_library import operator_library as operator_library

MAX_RANK = 8


class SessionOptions(ctypes.Structure):
    """``lrt_session_options``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("onnxruntime_path", ctypes.c_char_p),
        ("threads", ctypes.c_int32),
        ("affinity", ctypes.c_char_p),
        ("spinning", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


class NativeTensorInfo(ctypes.Structure):
    """``lrt_tensor_info``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int),
        ("rank", ctypes.c_int32),
        ("dims", ctypes.c_int64 * MAX_RANK),
    ]


class SessionInfo(ctypes.Structure):
    """``lrt_session_info``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("input_count", ctypes.c_size_t),
        ("inputs", ctypes.POINTER(NativeTensorInfo)),
        ("output_count", ctypes.c_size_t),
        ("outputs", ctypes.POINTER(NativeTensorInfo)),
        ("backend", ctypes.c_char_p),
        ("threads", ctypes.c_int32),
    ]


class NativeTensor(ctypes.Structure):
    """``lrt_tensor``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int),
        ("rank", ctypes.c_int32),
        ("dims", ctypes.c_int64 * MAX_RANK),
        ("data", ctypes.c_void_p),
        ("size_bytes", ctypes.c_size_t),
        ("strides", ctypes.c_int64 * MAX_RANK),
    ]


class NativeStageTimes(ctypes.Structure):
    """``lrt_stage_times``."""

    _fields_ = [
        ("wait_ms", ctypes.c_double),
        ("copy_in_ms", ctypes.c_double),
        ("engine_ms", ctypes.c_double),
        ("copy_out_ms", ctypes.c_double),
        ("total_ms", ctypes.c_double),
    ]


class NativeTimings(ctypes.Structure):
    """``lrt_timings``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("runs", ctypes.c_int64),
        ("last", NativeStageTimes),
        ("sum", NativeStageTimes),
    ]


class NativeLabelSet(ctypes.Structure):
    """``lrt_label_set``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("count", ctypes.c_size_t),
        ("dont_care", ctypes.c_int32),
        ("names", ctypes.POINTER(ctypes.c_char_p)),
        ("palette", ctypes.POINTER(ctypes.c_uint8)),
        ("file_values", ctypes.POINTER(ctypes.c_uint8)),
        ("things", ctypes.POINTER(ctypes.c_uint8)),
    ]


RunCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)
"""``lrt_run_callback``."""


_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "lrt_last_error": (ctypes.c_char_p, []),
    "lrt_version": (ctypes.c_char_p, []),
    "lrt_abi_version": (ctypes.c_int32, []),
    "lrt_simd": (ctypes.c_char_p, []),
    "lrt_default_threads": (ctypes.c_int32, []),
    "lrt_usable_memory": (ctypes.c_int64, []),
    "lrt_has_tensorrt": (ctypes.c_int32, []),
    "lrt_session_create": (
        ctypes.c_int,
        [ctypes.c_char_p, ctypes.POINTER(SessionOptions), ctypes.POINTER(ctypes.c_void_p)],
    ),
    "lrt_session_create_from_memory": (
        ctypes.c_int,
        [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.POINTER(SessionOptions),
            ctypes.POINTER(ctypes.c_void_p),
        ],
    ),
    "lrt_session_destroy": (ctypes.c_int, [ctypes.c_void_p]),
    "lrt_session_get_info": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(SessionInfo)]),
    "lrt_session_metadata_count": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t)]),
    "lrt_session_metadata_key": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_char_p)],
    ),
    "lrt_session_metadata": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)],
    ),
    "lrt_session_run": (
        ctypes.c_int,
        [
            ctypes.c_void_p,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
        ],
    ),
    "lrt_session_set_layout": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.POINTER(NativeTensor), ctypes.c_size_t],
    ),
    "lrt_session_render": (
        ctypes.c_int,
        [
            ctypes.c_void_p,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
        ],
    ),
    "lrt_session_run_device": (
        ctypes.c_int,
        [
            ctypes.c_void_p,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
            ctypes.c_void_p,
        ],
    ),
    "lrt_session_run_async": (
        ctypes.c_int,
        [
            ctypes.c_void_p,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
            ctypes.POINTER(NativeTensor),
            ctypes.c_size_t,
            RunCallback,
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_uint64),
        ],
    ),
    "lrt_session_wait": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int32]),
    "lrt_session_label_set": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(NativeLabelSet)]),
    "lrt_session_timings": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(NativeTimings)]),
    "lrt_session_reset_timings": (ctypes.c_int, [ctypes.c_void_p]),
}


def onnxruntime_library() -> Path | None:
    """Path of ``libonnxruntime.so`` in the installed wheel; None: the native library looks for one.

    The package is located, not imported: importing it takes longer than loading a small model.
    """
    if os.environ.get("LAYOUTRT_ONNXRUNTIME"):
        return None
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or not spec.submodule_search_locations:
        return None
    for location in spec.submodule_search_locations:
        found = sorted(Path(location, "capi").glob("libonnxruntime.so*"))
        if found:
            return found[0]
    return None


def tensorrt_library() -> Path | None:
    """Path of ``libnvinfer.so`` in TensorRT's installed wheel; None: the native library looks for one.

    It is located, not loaded, which takes hundreds of MB and is left to the first engine.
    """
    if os.environ.get("LAYOUTRT_TENSORRT"):
        return None
    spec = importlib.util.find_spec("tensorrt_libs")
    if spec is None or not spec.submodule_search_locations:
        return None
    for location in spec.submodule_search_locations:
        found = sorted(Path(location).glob("libnvinfer.so.*"))
        if found:
            return found[0]
    return None


@functools.cache
def load() -> ctypes.CDLL:
    """The native library with every function's signature set.

    Raises:
        LayoutRTError: it is not there, or cannot be loaded.
    """
    library = native_library.load(_SIGNATURES)
    wheel = tensorrt_library() if library.lrt_has_tensorrt() else None
    if wheel is not None:
        os.environ["LAYOUTRT_TENSORRT"] = str(wheel)
    return library


def check(status: int) -> None:
    """Raise the native library's sentence if ``status`` is not ``LRT_OK``.

    Raises:
        LayoutRTError: the call failed.
    """
    if status != 0:
        raise LayoutRTError(load().lrt_last_error().decode(errors="replace"))
