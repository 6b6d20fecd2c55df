"""An engine run by the Python packages ``tensorrt`` and ``pycuda``.

For machines that have NVIDIA's wheels and no headers to build the native runtime with. It enqueues every run:
PyCUDA has no API for CUDA graphs, so each layer costs its launch, which the native runtime saves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from layoutrt.artifacts.engine_manifest import EngineInput
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.base import StageTimes, TensorInfo, Timings
from layoutrt.runtime.backends.trt.engine import EngineFile, out_of_memory
from layoutrt.runtime.backends.trt.pycuda_context import StagedTensor, current, import_pycuda, new_stream

_NOTHING = StageTimes(0.0, 0.0, 0.0, 0.0, 0.0)


class TensorRTModel:
    """An engine on the first GPU; see `layoutrt.runtime.backends.base.LoadedModel`.

    Memory is allocated once, for the largest shapes of the optimization profile.

    Args:
        path: path of the ``.engine`` file.

    Attributes:
        context: ``tensorrt.IExecutionContext``.
        engine: ``tensorrt.ICudaEngine``.
        trt: the module ``tensorrt``.

    Raises:
        LayoutRTError: the engine does not fit this machine, a package is missing, or memory is short.
    """

    def __init__(self, path: Path) -> None:
        self._tensors: dict[str, StagedTensor] = {}
        self.context: Any = None
        self._file = file = EngineFile(path)
        self.trt = file.trt
        self._cuda = import_pycuda()
        self._limits: dict[str, EngineInput] = {entry.name: entry for entry in file.manifest.inputs}
        self.inputs = tuple(
            TensorInfo(entry.name, np.dtype(entry.dtype), entry.shape) for entry in file.manifest.inputs
        )
        self.outputs = tuple(
            TensorInfo(
                entry.name, np.dtype(entry.dtype), tuple(dim if dim >= 0 else None for dim in entry.shape)
            )
            for entry in file.manifest.outputs
        )
        self.metadata = dict(file.manifest.metadata)
        self.backend = f"TensorRT {self.trt.__version__} in Python, {file.gpu.name}"
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._last, self._sum, self._runs = _NOTHING, _NOTHING, 0
        with current(self._cuda):
            try:
                self._allocate()
            except self._cuda.MemoryError:
                self._free()
                raise out_of_memory(path, file.gpu) from None
            except self._cuda.Error as error:
                self._free()
                raise LayoutRTError(
                    f"the GPU failed while {path} was prepared ({error}); see layoutrt doctor"
                ) from None
            except LayoutRTError:
                self._free()
                raise

    def run(self, arrays: Mapping[str, np.ndarray], wait_ms: float) -> dict[str, np.ndarray]:
        """See `LoadedModel`."""
        shapes = {name: array.shape for name, array in arrays.items()}
        self._check_profile(shapes)
        started = time.perf_counter()
        with current(self._cuda):
            try:
                if shapes != self._shapes:
                    self._set_shapes(shapes)
                return self._run(arrays, started, wait_ms)
            except self._cuda.MemoryError:
                raise out_of_memory(self._file.path, self._file.gpu) from None
            except self._cuda.Error as error:
                raise LayoutRTError(
                    f"the GPU failed while it ran {self._file.path} ({error}); start the program again, and "
                    "look at nvidia-smi or dmesg if it stays so"
                ) from None

    def timings(self) -> Timings:
        """See `LoadedModel`."""
        return Timings(**vars(self._last), runs=self._runs, sum=self._sum)

    def close(self) -> None:
        """See `LoadedModel`."""
        if self.context is not None:
            with current(self._cuda):
                self._free()

    def _allocate(self) -> None:
        self._runtime, self.engine = self._file.load()
        self._check_names()
        self._stream = new_stream(self._cuda)
        self._events = [self._cuda.Event() for _ in range(4)]
        self._file.log.clear()
        self.context = self.engine.create_execution_context()
        if self.context is None:
            raise self._file.failure("prepared")
        self._set_shapes({name: tuple(entry.max) for name, entry in self._limits.items()})
        for info in (*self.inputs, *self.outputs):
            tensor = StagedTensor(self._cuda, self._size_bytes(info))
            self._tensors[info.name] = tensor
            if not self.context.set_tensor_address(info.name, tensor.address):
                raise self._file.failure("given its memory")

    def _check_names(self) -> None:
        engine, mode = self.engine, self.trt.TensorIOMode.INPUT
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        found = [name for name in names if engine.get_tensor_mode(name) == mode]
        found += [name for name in names if engine.get_tensor_mode(name) != mode]
        if sorted(found) != sorted(info.name for info in (*self.inputs, *self.outputs)):
            raise LayoutRTError(
                f"{self._file.path} has the tensors {', '.join(names)}, other ones than its manifest names; "
                "build it again"
            )

    def _check_profile(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        for name, shape in shapes.items():
            limits = self._limits[name]
            if not all(
                low <= dim <= high for low, dim, high in zip(limits.min, shape, limits.max, strict=True)
            ):
                raise LayoutRTError(
                    f"input '{name}' is {list(shape)} and the engine {self._file.path} was built for "
                    f"{limits.min} to {limits.max}; build it again with --min and --max around it"
                )

    def _set_shapes(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self._shapes = {}
        for name, shape in shapes.items():
            if not self.context.set_input_shape(name, shape):
                raise self._file.failure(f"run at {list(shape)}")
        self._shapes = dict(shapes)

    def _shape(self, info: TensorInfo) -> tuple[int, ...]:
        shape = tuple(self.context.get_tensor_shape(info.name))
        if min(shape, default=0) < 0:
            raise LayoutRTError(
                f"the shape of '{info.name}' of {self._file.path} is not known before a run; build another "
                "model"
            )
        return shape

    def _size_bytes(self, info: TensorInfo) -> int:
        return int(np.prod(self._shape(info))) * info.dtype.itemsize

    def _run(self, arrays: Mapping[str, np.ndarray], started: float, wait_ms: float) -> dict[str, np.ndarray]:
        stream, events = self._stream, self._events
        for name, array in arrays.items():
            self._tensors[name].pack(array)
        packed = time.perf_counter()
        events[0].record(stream)
        for name, array in arrays.items():
            self._tensors[name].send(array.nbytes, stream)
        events[1].record(stream)
        self._file.log.clear()
        if not self.context.execute_async_v3(stream.handle):
            raise self._file.failure("run")
        events[2].record(stream)
        for info in self.outputs:
            self._tensors[info.name].fetch(self._size_bytes(info), stream)
        events[3].record(stream)
        stream.synchronize()
        arrived = time.perf_counter()
        outputs = {
            info.name: self._tensors[info.name].unpack(self._shape(info), info.dtype) for info in self.outputs
        }
        ended = time.perf_counter()
        sent, computed, fetched = (events[i].time_till(events[i + 1]) for i in range(3))
        self._count(
            StageTimes(
                wait_ms,
                (packed - started) * 1e3 + sent,
                computed,
                fetched + (ended - arrived) * 1e3,
                wait_ms + (ended - started) * 1e3,
            )
        )
        return outputs

    def _count(self, times: StageTimes) -> None:
        self._last = times
        self._sum = StageTimes(
            **{name: value + getattr(times, name) for name, value in vars(self._sum).items()}
        )
        self._runs += 1

    def _free(self) -> None:
        for tensor in self._tensors.values():
            tensor.free()
        self._tensors = {}
        # In this order: each is made by the one after it.
        self.context = self.engine = self._runtime = self._stream = None
        self._events = []
