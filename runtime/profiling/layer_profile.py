"""Times of a model's nodes, measured in alternation with the same model whose nodes are not timed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from layoutrt.artifacts.engine_manifest import read_manifest
from layoutrt.artifacts.model_info import ENGINE as ENGINE_FORM
from layoutrt.artifacts.model_info import ONNX
from layoutrt.files import file_digest
from layoutrt.graph.cost import NodeCost, node_costs
from layoutrt.runtime.profiling.backends import BACKENDS, TENSORRT_LAYERS
from layoutrt.runtime.profiling.executed_node import ExecutedNode
from layoutrt.runtime.profiling.layers import QUIET, fold
from layoutrt.runtime.profiling.reference_workload import Peaks
from layoutrt.runtime.profiling.report import LayerProfile
from layoutrt.runtime.profiling.rounds import run_rounds
from layoutrt.runtime.profiling.runner import ENGINE
from layoutrt.runtime.profiling.target import Target
from layoutrt.runtime.profiling.worker_process import WorkerProcess

ROUNDS, ITERATIONS_PER_ROUND = 10, 5
UNKNOWN = "unknown"
"""Bound of a layer on a device whose peaks were not measured."""
_DEFAULT_CACHE_BYTES = 8 << 20
_PLAIN, _TIMED = "plain", "timed"


def can_profile_layers(target: Target, backend: str | None) -> bool:
    """True if this backend can time the layers of this model; with bodies the nodes are not the file's."""
    return target.form == ENGINE_FORM or (target.form == ONNX and backend != "bodies")


def profile_layers(target: Target, spec: Mapping[str, Any], peaks: Peaks) -> LayerProfile:
    """Run a model with its nodes timed, and without.

    Args:
        target: an ONNX file or an engine.
        spec: specification of its worker process.
        peaks: peaks of the machine's processors; those of a GPU are not known.
    """
    runner = TENSORRT_LAYERS if target.form == ENGINE_FORM else BACKENDS["onnxruntime"]
    timed_spec = {**spec, **runner, "layers": True}
    with WorkerProcess(spec) as plain, WorkerProcess(timed_spec) as timed:
        for process in (plain, timed):
            process.warm_up(None)
        series = run_rounds(
            {_PLAIN: plain, _TIMED: timed},
            go_on=lambda number: number < ROUNDS,
            warm_up_runs=1,
            iterations_per_round=ITERATIONS_PER_ROUND,
        )
        nodes = [ExecutedNode(**node) for node in timed.end().details["nodes"]]
        engine = plain.stages.index(ENGINE)
    # The profiler's file contains the warm-up runs, too.
    counted = ROUNDS * (ITERATIONS_PER_ROUND + 1)
    nodes = [ExecutedNode(**(node.as_json() | {"times_ms": node.times_ms[-counted:]})) for node in nodes]
    graph = _graph(target)
    if target.form == ENGINE_FORM:
        unlimited = Peaks(math.inf, math.inf, math.inf, math.inf)
        layers = [replace(layer, bound=UNKNOWN) for layer in fold(nodes, graph, unlimited, 0)]
    else:
        layers = fold(nodes, graph, peaks, cache_bytes())
    return LayerProfile(
        layers,
        sum(layer.ms for layer in layers),
        quiet_mean([run.total_ms for run in series[_TIMED].runs]),
        quiet_mean([run.stages_ms[engine] for run in series[_PLAIN].runs]),
    )


def _graph(target: Target) -> list[NodeCost]:
    """Cost of each node of the model's file; empty for an engine whose ONNX file is not beside it."""
    path = target.path
    if target.form == ENGINE_FORM:
        manifest = read_manifest(path)
        path = path.with_name(manifest.onnx_file)
        if not path.is_file() or file_digest(path) != manifest.onnx_sha256:
            return []
    return node_costs(onnx.load(path, load_external_data=False), target.size)


def quiet_mean(times: Sequence[float]) -> float:
    """Mean of the fastest quarter, as layers are averaged."""
    return statistics.mean(sorted(times)[: max(1, len(times) // QUIET)])


def cache_bytes(root: Path = Path("/")) -> int:
    """Half of the largest cache of the first processor: data of that size is still cached for the next
    layer."""
    sizes = []
    for file in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text().strip()
        scale = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        sizes.append(int(text.rstrip("KM")) * scale)
    return max(sizes) // 2 if sizes else _DEFAULT_CACHE_BYTES
