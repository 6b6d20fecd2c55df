"""Runner of an engine whose layers are timed one by one, through TensorRT's Python package.

Layers are timed here and not in the native runtime, whose C API has no switch for it. Timing keeps layers
from overlapping, so a profile reports the engine's own time beside their sum.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from layoutrt.runtime.backends.trt.model import TensorRTModel
from layoutrt.runtime.profiling.runner import ENGINE, Run
from layoutrt.runtime.profiling.session_runner import read_samples
from layoutrt.runtime.profiling.tensorrt_layers import fold_tensorrt


class TensorRTLayersRunner:
    """Runner with one stage, the whole run; `details` has the layers.

    Args:
        spec: ``model`` and ``inputs`` as in `SessionRunner`.

    Raises:
        LayoutRTError: the engine cannot be loaded.
    """

    stages = (ENGINE,)

    def __init__(self, spec: dict[str, Any]) -> None:
        self._model = TensorRTModel(Path(spec["model"]))
        self._times = layer_times(self._model.trt)
        # The enqueue then waits for its layers and reports their times; this is the default and must stay.
        self._model.context.enqueue_emits_profile = True
        self._model.context.profiler = self._times
        self.backend = f"{self._model.backend}, layers timed"
        self._samples = read_samples(spec["inputs"])
        self._next = 0
        self._result: dict[str, NDArray] = {}

    def run(self, count: int) -> list[Run]:
        """See `Runner`."""
        return [self._run() for _ in range(count)]

    def _run(self) -> Run:
        inputs = self._samples[self._next % len(self._samples)]
        self._next += 1
        self._times.new_run()
        started = time.perf_counter_ns()
        self._result = self._model.run(inputs, 0.0)
        total_ms = (time.perf_counter_ns() - started) / 1e6
        return Run(started, total_ms, (total_ms,))

    def result(self) -> NDArray | None:
        """The first output."""
        return next(iter(self._result.values()), None)

    def details(self) -> dict[str, Any]:
        """``nodes``: see `fold_tensorrt`."""
        inspector = self._model.engine.create_engine_inspector()
        described = ""
        if inspector is not None:
            # With a context the inspector knows the shapes of the last run.
            inspector.execution_context = self._model.context
            described = inspector.get_engine_information(self._model.trt.LayerInformationFormat.JSON)
        return {"nodes": [node.as_json() for node in fold_tensorrt(self._times.runs, described)]}

    def close(self) -> None:
        """Free the engine."""
        self._model.close()


def layer_times(trt: Any) -> Any:
    """A ``tensorrt.IProfiler`` whose ``runs`` holds the times of each run, in ms by the layer's name.

    Args:
        trt: the module ``tensorrt``.
    """

    class LayerTimes(trt.IProfiler):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.runs: list[dict[str, float]] = []

        def new_run(self) -> None:
            self.runs.append({})

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            run = self.runs[-1]
            # A layer in a loop is reported several times.
            run[layer_name] = run.get(layer_name, 0.0) + ms

    return LayerTimes()
