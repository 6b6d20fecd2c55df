"""A model in ONNX Runtime's own Python session: with our operators, or with their bodies, or layer by layer.

Layers are timed by ONNX Runtime's profiler here and not in the native runtime, whose C API has no switch for
it. It is the same library with the same operators, options and threads; a profile reports both times side by
side.
"""

from __future__ import annotations

import ctypes
import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.files import temporary_folder
from layoutrt.native_library import load, operator_library
from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.runtime.profiling.onnxruntime_events import read_events
from layoutrt.runtime.profiling.runner import ENGINE, Run
from layoutrt.runtime.profiling.session_runner import read_samples
from layoutrt.runtime.profiling.timing_cost import timing_cost_ms


class OnnxRuntimeRunner:
    """Runner with one stage, the whole of ``InferenceSession.run``.

    Args:
        spec: ``model``, ``inputs`` and ``threads`` as in `SessionRunner`; ``operators``: load our library
            (default true); ``layers``: time each node (default false).

    Raises:
        LayoutRTError: the operator library is missing, or the model cannot be loaded.
    """

    stages = (ENGINE,)

    def __init__(self, spec: dict[str, Any]) -> None:
        onnxruntime = import_onnxruntime()

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = spec["threads"] or 0
        options.log_severity_level = 3
        # As in the native runtime, see docs/decisions.md.
        options.enable_mem_pattern = False
        if "VNNI" not in load({"lrt_simd": (ctypes.c_char_p, [])}).lrt_simd().decode():
            options.add_session_config_entry("session.x64quantprecision", "1")
        with_operators = spec.get("operators", True)
        if with_operators:
            options.register_custom_ops_library(str(operator_library()))
        self._folder = temporary_folder() if spec.get("layers") else None
        if self._folder is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(self._folder.name) / "profile")
        try:
            self._session = onnxruntime.InferenceSession(
                spec["model"], options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's exceptions have no base class of their own.
        except Exception as error:
            raise LayoutRTError(f"ONNX Runtime cannot load {spec['model']}: {error}") from None
        self._threads = spec["threads"]
        threads = {None: "all threads", 1: "1 thread"}.get(spec["threads"], f"{spec['threads']} threads")
        operators = "our operators" if with_operators else "bodies of our operators"
        self.backend = f"ONNX Runtime {onnxruntime.__version__} CPU in Python, {operators}, {threads}"
        self._samples = read_samples(spec["inputs"])
        self._next = 0
        self._result: list[NDArray] = []

    def run(self, count: int) -> list[Run]:
        """See `Runner`."""
        return [self._run() for _ in range(count)]

    def _run(self) -> Run:
        inputs = self._samples[self._next % len(self._samples)]
        self._next += 1
        started = time.perf_counter_ns()
        self._result = self._session.run(None, inputs)
        total_ms = (time.perf_counter_ns() - started) / 1e6
        return Run(started, total_ms, (total_ms,))

    def result(self) -> NDArray | None:
        """The first output."""
        return self._result[0] if self._result else None

    def details(self) -> dict[str, Any]:
        """``nodes`` as of `read_events`, without the cost of timing them; empty if nodes are not timed."""
        if self._folder is None:
            return {}
        file = Path(self._session.end_profiling())
        cost = timing_cost_ms(self._threads)
        return {"nodes": [node.without(cost).as_json() for node in read_events(file)]}

    def close(self) -> None:
        """Remove the profiler's file."""
        if self._folder is not None:
            self._folder.cleanup()
