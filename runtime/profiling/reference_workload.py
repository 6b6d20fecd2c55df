"""Reference workload of known size, run in the same rounds as the models.

It measures the machine's peaks, and the machine's speed in each round.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.runtime.processors import usable_processors
from layoutrt.runtime.profiling.runner import Run

ROWS, INNER, COLUMNS = 1024, 512, 512
FLOPS = 2 * ROWS * INNER * COLUMNS
COPIED_BYTES = 64 << 20
CACHED_BYTES, CACHED_COPIES = 1 << 19, 16
STAGES = ("product", "8-bit product", "copy", "copy in caches")


@dataclass(frozen=True)
class Peaks:
    """Peak rates that were measured on this machine, with the threads of the profile."""

    gflops: float
    """Float32 operations in 10^9 a second: a product of matrices in ONNX Runtime."""
    int8_gops: float
    """8-bit integer operations in 10^9 a second: a product of matrices in ONNX Runtime."""
    memory_gbs: float
    """Bytes read and written in 10^9 a second: a copy of arrays larger than the caches."""
    cache_gbs: float
    """Bytes read and written in 10^9 a second: a copy of arrays within the cores' caches."""

    def compute(self, precision: str) -> float:
        """Peak arithmetic in ``"fp32"``, ``"fp16"`` or ``"int8"``, in 10^9 operations a second."""
        return self.int8_gops if precision == "int8" else self.gflops

    def as_json(self) -> dict[str, float]:
        """The peaks as plain values for JSON."""
        return asdict(self)


def measured_peaks(stages_ms: Mapping[str, Sequence[float]], threads: int) -> Peaks:
    """Peaks from the times of `ReferenceWorkload`: the 10th percentile, which other load hardly changes."""
    best_s = {name: float(np.percentile(times, 10)) / 1e3 for name, times in stages_ms.items()}
    cached = 2 * CACHED_BYTES * CACHED_COPIES * threads
    return Peaks(
        FLOPS / best_s["product"] / 1e9,
        FLOPS / best_s["8-bit product"] / 1e9,
        2 * COPIED_BYTES / best_s["copy"] / 1e9,
        cached / best_s["copy in caches"] / 1e9,
    )


class ReferenceWorkload:
    """A product of float32 matrices, one of 8-bit matrices, a copy through memory and one within caches.

    Args:
        spec: ``threads``, the number of threads.
    """

    stages = STAGES

    def __init__(self, spec: dict[str, Any]) -> None:
        onnxruntime = import_onnxruntime()

        self.backend = f"ONNX Runtime {onnxruntime.__version__}"
        threads = spec["threads"] or usable_processors()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        sessions = [
            onnxruntime.InferenceSession(_product(kind), options, providers=["CPUExecutionProvider"])
            for kind in (np.float32, np.uint8)
        ]
        a = np.ones((ROWS, INNER), np.float32)
        feeds: list[dict[str, NDArray]] = [{"a": a}, {"a": a.astype(np.uint8)}]
        pool = ThreadPoolExecutor(threads)
        large = [_pair(COPIED_BYTES // threads) for _ in range(threads)]
        small = [_pair(CACHED_BYTES) for _ in range(threads)]
        self._work = (
            lambda: sessions[0].run(None, feeds[0]),
            lambda: sessions[1].run(None, feeds[1]),
            lambda: list(pool.map(lambda pair: np.copyto(*pair), large)),
            lambda: list(pool.map(_copy_often, small)),
        )

    def run(self, count: int) -> list[Run]:
        """See `Runner`."""
        runs = []
        for _ in range(count):
            stamps = [time.perf_counter_ns()]
            for work in self._work:
                work()
                stamps.append(time.perf_counter_ns())
            stages = tuple((b - a) / 1e6 for a, b in itertools.pairwise(stamps))
            runs.append(Run(stamps[0], (stamps[-1] - stamps[0]) / 1e6, stages))
        return runs

    def result(self) -> NDArray | None:
        """No result to compare."""
        return None

    def details(self) -> dict[str, Any]:
        """No details."""
        return {}

    def close(self) -> None:
        """Nothing is held that the end of the process does not free."""


def _pair(size: int) -> tuple[NDArray, NDArray]:
    return np.zeros(size, np.uint8), np.ones(size, np.uint8)


def _copy_often(pair: tuple[NDArray, NDArray]) -> None:
    for _ in range(CACHED_COPIES):
        np.copyto(*pair)


def _product(kind: type) -> bytes:
    """A model that multiplies ``a`` by a weight: float32, or uint8 by int8 into int32."""
    quantized = kind is np.uint8
    weight = numpy_helper.from_array(np.ones((INNER, COLUMNS), np.int8 if quantized else kind), "b")
    element = TensorProto.UINT8 if quantized else TensorProto.FLOAT
    sums = TensorProto.INT32 if quantized else TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger" if quantized else "MatMul", ["a", "b"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", element, [ROWS, INNER])],
        [helper.make_tensor_value_info("y", sums, [ROWS, COLUMNS])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.ModelProto.SerializeToString(model)
