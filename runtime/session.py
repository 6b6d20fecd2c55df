"""A model that is ready to run, in the native runtime."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.runtime import library as native

#: More threads than any machine has processors spin against each other, and a run never ends.
MAX_THREADS = 256

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


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model."""

    name: str
    dtype: np.dtype
    #: None stands for a dimension that each run fixes.
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        dims = ", ".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.dtype} [{dims}]"


@dataclass(frozen=True)
class StageTimes:
    """Where time went, in ms."""

    #: Until the session was free.
    wait_ms: float
    #: Inputs packed, or sent to a device.
    copy_in_ms: float
    #: The computation itself.
    engine_ms: float
    #: Outputs fetched from a device, or written with strides.
    copy_out_ms: float
    #: All of it.
    total_ms: float


@dataclass(frozen=True)
class Timings(StageTimes):
    """Times of the last run, how many runs there were, and what they took together."""

    runs: int
    sum: StageTimes


class Session:
    """Loads an ONNX model and runs it, with layoutrt's operators, on the CPU.

    Safe to call from several threads: runs of one session follow each other.

    Args:
        model: path of an ``.onnx`` file.
        threads: threads of one run; None for one per processor.
        affinity: processors of those threads, such as ``"0-3,8"``, numbered from 0. The first is left to the
            thread that calls ``run``, which is not moved; the others are for the threads that help it.
        spin: whether threads that wait for work spin, which is fastest, or sleep.

    Attributes:
        path: the model file.
        label_set: what labels mean; None where the model names no label set.
        inputs: what ``run`` takes.
        outputs: what ``run`` returns.
        metadata: the custom metadata of the model file.
        backend: what runs the model, such as
            ``"ONNX Runtime 1.32.0 CPU, AVX-512 operators, 2 threads"``.

    Raises:
        LayoutRTError: the file is missing or no model, was made by a newer layoutrt, an option is wrong, or
            the native library or ONNX Runtime is not installed.
    """

    def __init__(
        self, model: str | Path, *, threads: int | None = None, affinity: str = "", spin: bool = True
    ) -> None:
        # Set first, so that a session that failed to open can be closed and collected.
        self._handle: ctypes.c_void_p | None = None
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        if threads is not None and threads < 1:
            raise LayoutRTError(f"threads must be at least 1, got {threads}")
        if threads is not None and threads > MAX_THREADS:
            raise LayoutRTError(f"threads must be at most {MAX_THREADS}, got {threads}")
        self.path = Path(model)
        self._library = native.load()
        onnxruntime = native.onnxruntime_library()
        options = native.SessionOptions(
            ctypes.sizeof(native.SessionOptions),
            os.fsencode(onnxruntime) if onnxruntime else None,
            threads or 0,
            affinity.encode(),
            not spin,
        )
        handle = ctypes.c_void_p()
        try:
            native.check(
                self._library.lrt_session_create(
                    os.fsencode(self.path), ctypes.byref(options), ctypes.byref(handle)
                )
            )
        except LayoutRTError:
            if _is_for_tensorrt(self.path):
                raise LayoutRTError(
                    f"{self.path} is placed for TensorRT, which ONNX Runtime cannot run; "
                    "calibrate the float model with --target ort to run it here"
                ) from None
            raise
        self._handle = handle
        info = native.SessionInfo(ctypes.sizeof(native.SessionInfo))
        native.check(self._library.lrt_session_get_info(handle, ctypes.byref(info)))
        self.inputs = tuple(_tensor_info(info.inputs[i]) for i in range(info.input_count))
        self.outputs = tuple(_tensor_info(info.outputs[i]) for i in range(info.output_count))
        self.backend: str = info.backend.decode()
        self.metadata = self._read_metadata()
        label_set = self.metadata.get("layoutrt.label_set")
        self.label_set = None if label_set is None else LabelSet.from_json(label_set)

    def run(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Run the model once.

        Args:
            inputs: one array for each input, by name, of the dtype and shape of ``self.inputs``.

        Returns:
            One new array for each output, by name, of the dtype and shape of ``self.outputs``.

        Raises:
            LayoutRTError: an input is missing, unknown, or of another dtype or shape; or the run failed.
        """
        for info in self.inputs:
            if info.name not in inputs:
                raise LayoutRTError(f"input '{info.name}' is missing: the model {self.path} needs {info}")
        return self._outputs_of(self._library.lrt_session_run, inputs)

    def set_layout(self, **inputs: np.ndarray) -> None:
        """Compute all that depends on the layout, and keep it for ``render``.

        For models with a latent that were exported with ``--cache-layout``.

        Args:
            inputs: as of ``run``, without the latent.

        Raises:
            LayoutRTError: the model is another, an input does not fit, or the run failed.
        """
        arrays = self._arrays(inputs)
        taken = _native_tensors(arrays)
        with self._lock:
            native.check(self._library.lrt_session_set_layout(self._open_handle(), taken, len(taken)))

    def render(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Make an image of the layout that was set last, at a small part of the cost of ``run``.

        Args:
            inputs: the latent ``z``, of the dtype and shape of ``self.inputs``.

        Returns:
            As ``run``.

        Raises:
            LayoutRTError: as ``set_layout``; or no layout was set.
        """
        return self._outputs_of(self._library.lrt_session_render, inputs)

    def _outputs_of(
        self, function: Callable[..., int], inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Call a function of the C API that takes inputs and outputs."""
        arrays = self._arrays(inputs)
        taken = _native_tensors(arrays)
        # Results of known shape are written where they are wanted; the others are copied from the session.
        # (ONNX Runtime gives rank 0 also where it does not know the rank.)
        results = [
            np.empty([dim or 0 for dim in info.shape], info.dtype) if _is_fixed(info.shape) else None
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
        with self._lock:
            native.check(function(self._open_handle(), taken, len(taken), given, len(given)))
            return {
                info.name: _copy(tensor) if array is None else array
                for info, array, tensor in zip(self.outputs, results, given, strict=True)
            }

    def _arrays(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What is given, checked and contiguous."""
        infos = {info.name: info for info in self.inputs}
        for name in inputs:
            if name not in infos:
                raise LayoutRTError(
                    f"the model {self.path} has no input '{name}'; it takes {', '.join(infos) or 'none'}"
                )
        return {name: _checked(infos[name], array) for name, array in inputs.items()}

    def submit(self, **inputs: np.ndarray) -> Future[dict[str, np.ndarray]]:
        """Start ``run`` on a thread of the session and return. Runs keep the order of their submission.

        The arrays must not change until the result is there.

        Returns:
            What gives the outputs, or raises the error, of the run.

        Raises:
            LayoutRTError: the session is closed.
        """
        with self._lock:
            self._open_handle()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, "layoutrt")
            return self._executor.submit(self.run, **inputs)

    @property
    def timings(self) -> Timings:
        """Times of the last run and of all runs, in ms."""
        timings = native.NativeTimings(ctypes.sizeof(native.NativeTimings))
        with self._lock:
            native.check(self._library.lrt_session_timings(self._open_handle(), ctypes.byref(timings)))
        last, total = _stage_times(timings.last), _stage_times(timings.sum)
        return Timings(**asdict(last), runs=timings.runs, sum=total)

    def close(self) -> None:
        """Wait for what was submitted and free the model. Allowed more than once."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()
        with self._lock:
            if self._handle is not None:
                self._library.lrt_session_destroy(self._handle)
                self._handle = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Nothing is pending: it would refer to the session. This may be the executor's own thread.
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None
        self.close()

    @property
    def handle(self) -> ctypes.c_void_p:
        """The ``lrt_session``, for native functions that take one."""
        return self._open_handle()

    def _open_handle(self) -> ctypes.c_void_p:
        if self._handle is None:
            raise LayoutRTError(f"the session of {self.path} is closed; open it again")
        return self._handle

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


def _is_for_tensorrt(path: Path) -> bool:
    """Whether the metadata of a model file says so; without reading it as a model, which takes a package."""
    return path.is_file() and b"layoutrt.target\x12\x08tensorrt" in path.read_bytes()


def _stage_times(times: native.NativeStageTimes) -> StageTimes:
    return StageTimes(times.wait_ms, times.copy_in_ms, times.engine_ms, times.copy_out_ms, times.total_ms)


def _tensor_info(info: native.NativeTensorInfo) -> TensorInfo:
    shape = tuple(None if dim < 0 else dim for dim in info.dims[: info.rank])
    return TensorInfo(info.name.decode(), np.dtype(_DTYPES[info.dtype]), shape)


def _is_fixed(shape: tuple[int | None, ...]) -> bool:
    return bool(shape) and None not in shape


def _checked(info: TensorInfo, array: np.ndarray) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise LayoutRTError(f"input '{info.name}' must be a numpy array {info}, got {type(array).__name__}")
    fits = len(array.shape) == len(info.shape) and all(
        want in (None, got) for want, got in zip(info.shape, array.shape, strict=True)
    )
    if array.dtype != info.dtype or not fits:
        raise LayoutRTError(
            f"input '{info.name}' must be {info}, got {TensorInfo(info.name, array.dtype, array.shape)}"
        )
    return np.ascontiguousarray(array).reshape(array.shape)


def _native_tensors(arrays: dict[str, np.ndarray]) -> ctypes.Array[native.NativeTensor]:
    return (native.NativeTensor * len(arrays))(
        *(_native_tensor(name, array) for name, array in arrays.items())
    )


def _native_tensor(name: str, array: np.ndarray) -> native.NativeTensor:
    dims = (ctypes.c_int64 * native.MAX_RANK)(*array.shape)
    return native.NativeTensor(
        name.encode(), _CODES[array.dtype], array.ndim, dims, array.ctypes.data, array.nbytes
    )


def _copy(tensor: native.NativeTensor) -> np.ndarray:
    """The session's own memory, which the next run overwrites, as an array."""
    shape: Sequence[int] = tensor.dims[: tensor.rank]
    array = np.empty(shape, _DTYPES[tensor.dtype])
    if tensor.size_bytes:
        ctypes.memmove(array.ctypes.data, tensor.data, tensor.size_bytes)
    return array
