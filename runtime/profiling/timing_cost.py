"""Cost of timing a node in ONNX Runtime, which its profiler counts as the node's own time.

Before a kernel runs, but after its clock was started, the profiler adds up the sizes of the node's inputs and
writes down their shapes (`sequential_executor.cc`). That takes some microseconds, which matter for layers
that take tens.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from layoutrt.files import temporary_folder
from layoutrt.onnxruntime_package import import_onnxruntime

_NODES, _RUNS = 100, 60


def timing_cost_ms(threads: int | None) -> float:
    """Time of a trivial node while nodes are timed, less its time while they are not.

    Args:
        threads: threads of a run; None for one per processor.
    """
    onnxruntime = import_onnxruntime()

    model = _chain().SerializeToString()
    numbers = {"x": np.zeros((1, 1, 1, 1), np.float32)}
    with temporary_folder() as folder:
        sessions = []
        for timed in (False, True):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads or 0
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.enable_profiling = timed
            options.profile_file_prefix = str(Path(folder) / "chain")
            sessions.append(onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]))
        plain, profiled = sessions
        runs = []
        for _ in range(_RUNS):
            started = time.perf_counter_ns()
            plain.run(None, numbers)
            runs.append((time.perf_counter_ns() - started) / 1e6)
            profiled.run(None, numbers)
        events = json.loads(Path(profiled.end_profiling()).read_text())
    nodes = [event["dur"] / 1e3 for event in events if event.get("cat") == "Node"]
    return max(0.0, statistics.median(nodes) - statistics.median(runs) / _NODES)


def _chain() -> onnx.ModelProto:
    """A model of consecutive additions of one number."""
    nodes = [helper.make_node("Add", [f"y{i}" if i else "x", "x"], [f"y{i + 1}"]) for i in range(_NODES)]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1, 1])],
        [helper.make_tensor_value_info(f"y{_NODES}", TensorProto.FLOAT, [1, 1, 1, 1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
