"""A model in the native library, ``liblayoutrt.so``."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends import native_bindings as native
from layoutrt.runtime.backends.base import Spinning, StageTimes, TensorInfo, Timings, is_fixed

# ONNX element types (TensorProto.DataType) that the C API carries.
_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
_CODES = {np.dtype(name): code for code, name in _DTYPES.items()}


class NativeModel:
    """A handle of the C API; see `layoutrt.runtime.backends.base.LoadedModel` and `Session`.

    Args:
        path: of an ``.onnx`` file, or of an ``.engine`` where the library was built with TensorRT.
        threads: of one run; None for one per processor.
        affinity: processors of those threads.
        spinning: of threads that wait for work.

    Raises:
        LayoutRTError: the model cannot be loaded.
    """

    def __init__(self, path: Path, *, threads: int | None, affinity: str, spinning: Spinning) -> None:
        # Set first, so that a model that failed to open can be closed.
        self._handle: ctypes.c_void_p | None = None
        self._path = path
        self._library = native.load()
        onnxruntime = native.onnxruntime_library()
        options = native.SessionOptions(
            ctypes.sizeof(native.SessionOptions),
            os.fsencode(onnxruntime) if onnxruntime else None,
            threads or 0,
            affinity.encode(),
            spinning.value,
        )
        handle = ctypes.c_void_p()
        try:
            native.check(
                self._library.lrt_session_create(
                    os.fsencode(path), ctypes.byref(options), ctypes.byref(handle)
                )
            )
        except LayoutRTError:
            if _is_for_tensorrt(path):
                raise LayoutRTError(
                    f"{path} is placed for TensorRT, which ONNX Runtime cannot run; build an engine of it "
                    f"(layoutrt build-engine {path} --out {path.stem}.engine), or calibrate the float model "
                    "with --target ort to run it here"
                ) from None
            raise
        self._handle = handle
        info = native.SessionInfo(ctypes.sizeof(native.SessionInfo))
        native.check(self._library.lrt_session_get_info(handle, ctypes.byref(info)))
        self.inputs = tuple(_tensor_info(info.inputs[i]) for i in range(info.input_count))
        self.outputs = tuple(_tensor_info(info.outputs[i]) for i in range(info.output_count))
        self.backend: str = info.backend.decode()
        self.metadata = self._read_metadata()

    @property
    def handle(self) -> ctypes.c_void_p:
        """The ``lrt_session``."""
        if self._handle is None:
            raise LayoutRTError(f"the session of {self._path} is closed; open it again")
        return self._handle

    def run(self, arrays: Mapping[str, np.ndarray], wait_ms: float) -> dict[str, np.ndarray]:
        """See `LoadedModel`; the library counts waiting itself."""
        return self._outputs_of(self._library.lrt_session_run, arrays)

    def set_layout(self, arrays: Mapping[str, np.ndarray]) -> None:
        """See `Session.set_layout`."""
        taken = native_tensors(arrays)
        native.check(self._library.lrt_session_set_layout(self.handle, taken, len(taken)))

    def render(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Session.render`."""
        return self._outputs_of(self._library.lrt_session_render, arrays)

    def run_device(self, stream: int, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """See `Session.run_device`."""
        infos = {info.name: info for info in (*self.inputs, *self.outputs)}
        taken, given = (
            (native.NativeTensor * len(tensors))(
                *(_device_tensor(infos[name], tensor) for name, tensor in tensors.items())
            )
            for tensors in (inputs, outputs)
        )
        native.check(
            self._library.lrt_session_run_device(
                self.handle, taken, len(taken), given, len(given), ctypes.c_void_p(stream)
            )
        )

    def timings(self) -> Timings:
        """See `LoadedModel`."""
        timings = native.NativeTimings(ctypes.sizeof(native.NativeTimings))
        native.check(self._library.lrt_session_timings(self.handle, ctypes.byref(timings)))
        last, total = _stage_times(timings.last), _stage_times(timings.sum)
        return Timings(**asdict(last), runs=timings.runs, sum=total)

    def close(self) -> None:
        """See `LoadedModel`."""
        if self._handle is not None:
            self._library.lrt_session_destroy(self._handle)
            self._handle = None

    def _outputs_of(
        self, function: Callable[..., int], arrays: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Call a function of the C API that takes inputs and outputs."""
        taken = native_tensors(arrays)
        # Results of known shape are written where they are wanted; the others are copied from the session.
        results = [
            np.empty([dim or 0 for dim in info.shape], info.dtype) if is_fixed(info.shape) else None
            for info in self.outputs
        ]
        given = (native.NativeTensor * len(results))(
            *(
                native.NativeTensor(name=info.name.encode())
                if array is None
                else _native_tensor(info.name, array)
                for info, array in zip(self.outputs, results, strict=True)
            )
        )
        native.check(function(self.handle, taken, len(taken), given, len(given)))
        return {
            info.name: _copy(tensor) if array is None else array
            for info, array, tensor in zip(self.outputs, results, given, strict=True)
        }

    def _read_metadata(self) -> dict[str, str]:
        count = ctypes.c_size_t()
        native.check(self._library.lrt_session_metadata_count(self._handle, ctypes.byref(count)))
        metadata = {}
        for index in range(count.value):
            key, value = ctypes.c_char_p(), ctypes.c_char_p()
            native.check(self._library.lrt_session_metadata_key(self._handle, index, ctypes.byref(key)))
            native.check(self._library.lrt_session_metadata(self._handle, key, ctypes.byref(value)))
            name, text = (part.value or b"" for part in (key, value))
            metadata[name.decode(errors="replace")] = text.decode(errors="replace")
        return metadata


def opens_engines() -> bool:
    """Whether the native library was built with TensorRT."""
    return bool(native.load().lrt_has_tensorrt())


def native_tensors(arrays: Mapping[str, np.ndarray]) -> ctypes.Array[native.NativeTensor]:
    """Arrays as the C API takes them; they must outlive the call."""
    return (native.NativeTensor * len(arrays))(
        *(_native_tensor(name, array) for name, array in arrays.items())
    )


def _is_for_tensorrt(path: Path) -> bool:
    """Whether the metadata of a model file says so; without reading it as a model, which takes a package."""
    try:
        return path.is_file() and b"layoutrt.target\x12\x08tensorrt" in path.read_bytes()
    except OSError:
        return False


def _stage_times(times: native.NativeStageTimes) -> StageTimes:
    return StageTimes(times.wait_ms, times.copy_in_ms, times.engine_ms, times.copy_out_ms, times.total_ms)


def _tensor_info(info: native.NativeTensorInfo) -> TensorInfo:
    shape = tuple(None if dim < 0 else dim for dim in info.dims[: info.rank])
    return TensorInfo(info.name.decode(), np.dtype(_DTYPES[info.dtype]), shape)


def _native_tensor(name: str, array: np.ndarray) -> native.NativeTensor:
    dims = (ctypes.c_int64 * native.MAX_RANK)(*array.shape)
    return native.NativeTensor(
        name.encode(), _CODES[array.dtype], array.ndim, dims, array.ctypes.data, array.nbytes
    )


def _device_tensor(info: TensorInfo, tensor: Any) -> native.NativeTensor:
    """Of an address, whose shape is the model's, or of what has ``__cuda_array_interface__``."""
    described = getattr(tensor, "__cuda_array_interface__", None)
    if described is None:
        if not isinstance(tensor, int) or not is_fixed(info.shape):
            raise LayoutRTError(
                f"tensor '{info.name}' must be on the GPU: give a CUDA tensor (an object with "
                "__cuda_array_interface__), or the address as an int where the model fixes the shape"
            )
        shape, dtype, address = tuple(dim or 0 for dim in info.shape), info.dtype, tensor
    else:
        shape, dtype = tuple(described["shape"]), np.dtype(described["typestr"])
        address = described["data"][0]
        if described.get("strides") is not None:
            raise LayoutRTError(f"tensor '{info.name}' is not contiguous; call .contiguous() on it")
    if dtype != info.dtype:
        raise LayoutRTError(f"tensor '{info.name}' must be {info}, got {TensorInfo(info.name, dtype, shape)}")
    dims = (ctypes.c_int64 * native.MAX_RANK)(*shape)
    size = int(np.prod(shape)) * dtype.itemsize
    return native.NativeTensor(info.name.encode(), _CODES[dtype], len(shape), dims, address, size)


def _copy(tensor: native.NativeTensor) -> np.ndarray:
    """The session's own memory, which the next run overwrites, as an array."""
    shape: Sequence[int] = tensor.dims[: tensor.rank]
    array = np.empty(shape, _DTYPES[tensor.dtype])
    if tensor.size_bytes:
        ctypes.memmove(array.ctypes.data, tensor.data, tensor.size_bytes)
    return array
