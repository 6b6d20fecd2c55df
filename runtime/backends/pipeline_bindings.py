"""The C API of video pipelines, as ctypes sees it.

The declarations mirror ``runtime/native/include/layoutrt/pipeline.h``, which documents them.
"""

from __future__ import annotations

import ctypes
import functools

from layoutrt import native_library

OK = 0
TIMEOUT = 6
"""``LRT_TIMEOUT``."""


class NativeResult(ctypes.Structure):
    """``lrt_pipeline_result``."""

    _fields_ = [
        ("sequence", ctypes.c_int64),
        ("user_stamp", ctypes.c_int64),
        ("status", ctypes.c_int),
        ("error", ctypes.c_char_p),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("frame", ctypes.c_void_p),
        ("labels", ctypes.c_void_p),
        ("image", ctypes.c_void_p),
        ("captured_ns", ctypes.c_int64),
        ("segment_start_ns", ctypes.c_int64),
        ("segmented_ns", ctypes.c_int64),
        ("synthesis_start_ns", ctypes.c_int64),
        ("synthesized_ns", ctypes.c_int64),
        ("segment_wait_ms", ctypes.c_double),
        ("synthesis_wait_ms", ctypes.c_double),
        ("latency_ms", ctypes.c_double),
    ]


ResultFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(NativeResult))
"""``lrt_pipeline_result_fn``."""

CaptureFunction = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_int64)
)
"""``lrt_pipeline_capture_fn``."""

DropFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
"""``lrt_pipeline_drop_fn``."""


class PipelineOptions(ctypes.Structure):
    """``lrt_pipeline_options``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("capacity", ctypes.c_int32),
        ("policy", ctypes.c_int),
        ("on_result", ResultFunction),
        ("user_data", ctypes.c_void_p),
        ("on_drop", DropFunction),
    ]


class NativeStats(ctypes.Structure):
    """``lrt_pipeline_stats``."""

    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("elapsed_ms", ctypes.c_double),
        ("pushed", ctypes.c_int64),
        ("done", ctypes.c_int64),
        ("failed", ctypes.c_int64),
        ("dropped", ctypes.c_int64),
        ("inside", ctypes.c_int64),
        ("unread", ctypes.c_int64),
        ("segment_busy_ms", ctypes.c_double),
        ("synthesis_busy_ms", ctypes.c_double),
        ("frames_waiting", ctypes.c_int32),
        ("labels_waiting", ctypes.c_int32),
        ("results_waiting", ctypes.c_int32),
        ("window", ctypes.c_int32),
        ("latency_p50_ms", ctypes.c_double),
        ("latency_p95_ms", ctypes.c_double),
        ("latency_max_ms", ctypes.c_double),
        ("buffers", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("capturing", ctypes.c_int32),
        ("buffer_bytes", ctypes.c_int64),
    ]


_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "lrt_pipeline_create": (
        ctypes.c_int,
        [
            ctypes.c_void_p,
            ctypes.c_void_p,
            ctypes.POINTER(PipelineOptions),
            ctypes.POINTER(ctypes.c_void_p),
        ],
    ),
    "lrt_pipeline_push": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, ctypes.c_int32],
    ),
    "lrt_pipeline_run": (ctypes.c_int, [ctypes.c_void_p, CaptureFunction, ctypes.c_void_p]),
    "lrt_pipeline_next": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(NativeResult)), ctypes.c_int32],
    ),
    "lrt_pipeline_flush": (ctypes.c_int, [ctypes.c_void_p]),
    "lrt_pipeline_get_stats": (ctypes.c_int, [ctypes.c_void_p, ctypes.POINTER(NativeStats)]),
    "lrt_pipeline_destroy": (ctypes.c_int, [ctypes.c_void_p]),
}


@functools.cache
def load() -> ctypes.CDLL:
    """The native library with the signatures of pipelines set.

    Raises:
        LayoutRTError: it is not there, or cannot be loaded.
    """
    return native_library.load(_SIGNATURES)
