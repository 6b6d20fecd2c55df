"""A model written in ONNX's text syntax, run by ONNX's reference evaluator: slow, and easy to read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.base import StageTimes, TensorInfo, Timings

_NOTHING = StageTimes(0.0, 0.0, 0.0, 0.0, 0.0)


class OnnxTextModel:
    """One ``.onnxtxt`` file; see `layoutrt.runtime.backends.base.LoadedModel`.

    Raises:
        LayoutRTError: the file is not a model in ONNX's text syntax.
    """

    def __init__(self, path: Path) -> None:
        try:
            model = onnx.parser.parse_model(path.read_text(encoding="utf-8"))
        except (OSError, onnx.parser.ParseError) as error:
            raise LayoutRTError(f"{path} is not a model in ONNX's text syntax: {error}") from None
        self._evaluator: ReferenceEvaluator | None = ReferenceEvaluator(model)
        self.inputs = tuple(_tensor_info(value) for value in model.graph.input)
        self.outputs = tuple(_tensor_info(value) for value in model.graph.output)
        self.metadata = {entry.key: entry.value for entry in model.metadata_props}
        self.backend = f"ONNX {onnx.__version__} reference evaluator"
        self._timings = Timings(0.0, 0.0, 0.0, 0.0, 0.0, 0, _NOTHING)

    def run(self, arrays: Mapping[str, np.ndarray], wait_ms: float) -> dict[str, np.ndarray]:
        """Run once, as `LoadedModel` says."""
        assert self._evaluator is not None
        started = time.perf_counter()
        results = self._evaluator.run(None, dict(arrays))
        engine_ms = (time.perf_counter() - started) * 1e3
        last = StageTimes(wait_ms, 0.0, engine_ms, 0.0, wait_ms + engine_ms)
        before = self._timings.sum
        sums = StageTimes(*(getattr(before, name) + getattr(last, name) for name in vars(last)))
        self._timings = Timings(**vars(last), runs=self._timings.runs + 1, sum=sums)
        return {info.name: array for info, array in zip(self.outputs, results, strict=True)}

    def timings(self) -> Timings:
        """Times of the last run and of all runs."""
        return self._timings

    def close(self) -> None:
        """Free the model."""
        self._evaluator = None


def _tensor_info(value: onnx.ValueInfoProto) -> TensorInfo:
    tensor = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    dims = (dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
    return TensorInfo(value.name, np.dtype(dtype), tuple(dims))
