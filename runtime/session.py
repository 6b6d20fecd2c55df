"""A model that is ready to run, whatever runs it."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_model
from layoutrt.runtime.backends.base import LoadedModel, Timings, checked
from layoutrt.runtime.backends.base import Spinning as Spinning
from layoutrt.runtime.backends.base import StageTimes as StageTimes
from layoutrt.runtime.backends.base import TensorInfo as TensorInfo
from layoutrt.runtime.backends.native import NativeModel
from layoutrt.runtime.backends.registry import python_backend

#: More threads than any machine has processors spin against each other, and a run never ends.
MAX_THREADS = 256

# `session`: the token of the session whose thread this is.
_thread = threading.local()


class Session:
    """A model that runs with layoutrt's operators: ONNX files on the CPU, engines on the GPU.

    An engine runs in the native library where that was built with TensorRT, and else through the Python
    packages ``tensorrt`` and ``pycuda``; ``backend`` says which.

    Safe to call from several threads: runs of one session follow each other. A session belongs to the process
    that opened it; a child of ``os.fork()`` opens its own.

    Example:
        >>> with Session("camvid-edge", threads=1) as session:
        ...     image = session.run(labels=np.zeros((1, 192, 256), np.uint8))["image"]
        >>> image.shape, image.dtype
        ((1, 192, 256, 3), dtype('uint8'))

    Args:
        model: name of a shipped model, or path of an ``.onnx`` file or of an ``.engine`` that
            ``layoutrt build-engine`` made.
        threads: threads of one run; None for one per processor. Engines do not use them.
        affinity: processors of those threads, such as ``"0-3,8"``, numbered from 0. The first is left to the
            thread that calls ``run``, which is not moved; the others are for the threads that help it.
        spinning: when threads that wait for work spin instead of sleep.

    Attributes:
        path: the model file.
        label_set: label set of the model; None if its metadata names none.
        inputs: name, dtype and shape of each array that ``run`` takes.
        outputs: name, dtype and shape of each array that ``run`` returns.
        metadata: the custom metadata of the model file.
        backend: description of the backend, such as
            ``"ONNX Runtime 1.32.0 CPU, AVX-512 operators, 2 threads"``.

    Raises:
        LayoutRTError: the file is missing or not a model, was made by a newer layoutrt, or for another
            TensorRT or GPU; an option is wrong; or what runs the file is not installed.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        threads: int | None = None,
        affinity: str = "",
        spinning: Spinning = Spinning.DURING_RUNS,
    ) -> None:
        # Set first, so that a session that failed to open can be closed and collected.
        self._model: LoadedModel | None = None
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        # Stands for the session, which its thread must not keep alive.
        self._token = object()
        if threads is not None and threads < 1:
            raise LayoutRTError(f"threads must be at least 1, got {threads}")
        if threads is not None and threads > MAX_THREADS:
            raise LayoutRTError(f"threads must be at most {MAX_THREADS}, got {threads}")
        self.path = _model_path(model)
        if backend := python_backend(self.path):
            self._model = backend.open(self.path)
        else:
            self._model = NativeModel(self.path, threads=threads, affinity=affinity, spinning=spinning)
        self.inputs, self.outputs = self._model.inputs, self._model.outputs
        self.backend, self.metadata = self._model.backend, self._model.metadata
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
        self._check_complete(inputs)
        arrays = self._arrays(inputs)
        called = time.perf_counter()
        with self._locked():
            return self._open_model().run(arrays, (time.perf_counter() - called) * 1e3)

    def run_device(self, stream: int, **tensors: Any) -> None:
        """Enqueue a run on tensors that are on the GPU, without waiting for it.

        The tensors must stay as they are until the stream has come past the run. Only for engines in the
        native library.

        Args:
            stream: the CUDA stream, as an integer (``torch.cuda.Stream.cuda_stream``); 0 is the default one.
            tensors: every input and every output, by name: objects with ``__cuda_array_interface__`` (of
                torch, CuPy, PyCUDA), contiguous; or device addresses where the model fixes the shape.

        Raises:
            LayoutRTError: a tensor is missing, unknown, or does not fit; or the session is not on a GPU.
        """
        self._check_complete(tensors)
        for info in self.outputs:
            if info.name not in tensors:
                raise LayoutRTError(f"output '{info.name}' is missing: give device memory for {info}")
        outputs = {info.name: tensors.pop(info.name) for info in self.outputs}
        self._check_names(tensors)
        with self._locked():
            self._native_model("run_device").run_device(stream, tensors, outputs)

    def set_layout(self, **inputs: np.ndarray) -> None:
        """Compute all that depends on the layout, and keep it for ``render``.

        For models with a latent that were exported with ``--cache-layout``.

        Args:
            inputs: inputs of ``run``, without the latent.

        Raises:
            LayoutRTError: the model is another, an input does not fit, or the run failed.
        """
        arrays = self._arrays(inputs)
        with self._locked():
            self._keeping_model().set_layout(arrays)

    def render(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Make an image of the layout that was set last, at a small part of the cost of ``run``.

        Args:
            inputs: the latent ``z``, of the dtype and shape of ``self.inputs``.

        Returns:
            As ``run``.

        Raises:
            LayoutRTError: as ``set_layout``; or no layout was set.
        """
        arrays = self._arrays(inputs)
        with self._locked():
            return self._keeping_model().render(arrays)

    def submit(self, **inputs: np.ndarray) -> Future[dict[str, np.ndarray]]:
        """Start ``run`` on a thread of the session and return. Runs keep the order of their submission.

        The arrays must not change until the result is there.

        Returns:
            What gives the outputs, or raises the error, of the run.

        Raises:
            LayoutRTError: the session is closed.
        """
        with self._locked():
            self._open_model()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(
                    1, "layoutrt", initializer=setattr, initargs=(_thread, "session", self._token)
                )
            return self._executor.submit(self.run, **inputs)

    @property
    def timings(self) -> Timings:
        """Times of the last run and of all runs, in ms."""
        with self._locked():
            return self._open_model().timings()

    def close(self) -> None:
        """Wait for what was submitted and free the model. Allowed more than once.

        In a child of ``os.fork()`` the memory is left as it is: what would free it belongs to the parent.

        Raises:
            LayoutRTError: a callback of a submitted run calls it, on the thread that would be waited for.
        """
        if self._is_parents():
            return
        if getattr(_thread, "session", None) is self._token:
            raise LayoutRTError(
                f"a callback of a run cannot close the session of {self.path}; close it on another thread"
            )
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()
        self._free()

    def _free(self) -> None:
        with self._lock:
            if self._model is not None:
                self._model.close()
                self._model = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._is_parents():
            return
        # Nothing is pending: it would refer to the session. This may be the executor's own thread.
        if self._executor is not None:
            self._executor.shutdown(wait=False)
            self._executor = None
        self._free()

    @property
    def is_native(self) -> bool:
        """True if the model runs in the native library, as a `Pipeline` needs it."""
        return isinstance(self._model, NativeModel)

    @property
    def handle(self) -> ctypes.c_void_p:
        """The ``lrt_session``, for native functions that take one."""
        return self._native_model("a native pipeline").handle

    def _is_parents(self) -> bool:
        """True if this process was forked from the one that opened the session."""
        return os.getpid() != self._process

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock, which in a child a thread of the parent may hold for ever."""
        if self._is_parents():
            raise LayoutRTError(
                f"the session of {self.path} is of the process that this one was forked from, which alone "
                "can use it; open one after os.fork(), or start processes with the method 'spawn'"
            )
        with self._lock:
            yield

    def _check_complete(self, given: dict[str, Any]) -> None:
        for info in self.inputs:
            if info.name not in given:
                raise LayoutRTError(f"input '{info.name}' is missing: the model {self.path} needs {info}")

    def _check_names(self, given: dict[str, Any]) -> None:
        names = [info.name for info in self.inputs]
        for name in given:
            if name not in names:
                raise LayoutRTError(
                    f"the model {self.path} has no input '{name}'; it takes {', '.join(names) or 'none'}"
                )

    def _arrays(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Check the given inputs and make them contiguous."""
        self._check_names(inputs)
        infos = {info.name: info for info in self.inputs}
        return {name: checked(infos[name], array) for name, array in inputs.items()}

    def _open_model(self) -> LoadedModel:
        if self._model is None:
            raise LayoutRTError(f"the session of {self.path} is closed; open it again")
        return self._model

    def _keeping_model(self) -> NativeModel:
        model = self._open_model()
        if not isinstance(model, NativeModel):
            raise LayoutRTError(
                f"{self.path} is an engine, which keeps no layout; use the .onnx files of a model that was "
                "exported with --cache-layout"
            )
        return model

    def _native_model(self, wanted: str) -> NativeModel:
        model = self._open_model()
        if not isinstance(model, NativeModel):
            raise LayoutRTError(
                f"{self.path} runs through TensorRT's Python package, which has no {wanted}; install "
                "TensorRT's headers and CUDA and reinstall layoutrt, so that the native library has TensorRT"
            )
        return model


def _model_path(model: str | Path) -> Path:
    """The file of a shipped model, or the path as given: what runs a file says what is wrong with it."""
    path = Path(model)
    is_name = path.name == str(model) and not path.suffix
    return resolve_model(model) if is_name else path
