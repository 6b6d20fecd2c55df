"""Times the nodes of a model, in turns with the same model whose nodes are not timed."""

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
from layoutrt.runtime.profiling.report import LayerProfile
from layoutrt.runtime.profiling.runner import ENGINE
from layoutrt.runtime.profiling.subject import Subject
from layoutrt.runtime.profiling.turns import take_turns
from layoutrt.runtime.profiling.worker_process import WorkerProcess
from layoutrt.runtime.profiling.yardstick import Roofs

TURNS, STREAK = 10, 5
UNKNOWN = "unknown"
"""What bounds a layer on a device whose roofs were not measured."""
_DEFAULT_CACHE_BYTES = 8 << 20
_PLAIN, _TIMED = "plain", "timed"


def can_profile_layers(subject: Subject, backend: str | None) -> bool:
    """Whether this backend can tell layers of such a model; with bodies the nodes are not the file's."""
    return subject.form == ENGINE_FORM or (subject.form == ONNX and backend != "bodies")


def profile_layers(subject: Subject, spec: Mapping[str, Any], roofs: Roofs) -> LayerProfile:
    """Run a model with its nodes timed, and without.

    Args:
        subject: an ONNX file or an engine.
        spec: of its worker process.
        roofs: of the machine's processors; the roofs of a GPU are not known.
    """
    runner = TENSORRT_LAYERS if subject.form == ENGINE_FORM else BACKENDS["onnxruntime"]
    timed_spec = {**spec, **runner, "layers": True}
    with WorkerProcess(spec) as plain, WorkerProcess(timed_spec) as timed:
        for process in (plain, timed):
            process.warm_up(None)
        series = take_turns(
            {_PLAIN: plain, _TIMED: timed}, go_on=lambda turn: turn < TURNS, lead=1, streak=STREAK
        )
        nodes = [ExecutedNode(**node) for node in timed.end().details["nodes"]]
        engine = plain.stages.index(ENGINE)
    # The runs of the warm-up are in the profiler's file, too.
    counted = TURNS * (STREAK + 1)
    nodes = [ExecutedNode(**(node.as_json() | {"times_ms": node.times_ms[-counted:]})) for node in nodes]
    graph = _graph(subject)
    if subject.form == ENGINE_FORM:
        nowhere = Roofs(math.inf, math.inf, math.inf, math.inf)
        layers = [replace(layer, bound=UNKNOWN) for layer in fold(nodes, graph, nowhere, 0)]
    else:
        layers = fold(nodes, graph, roofs, cache_bytes())
    return LayerProfile(
        layers,
        sum(layer.ms for layer in layers),
        quiet_mean([run.total_ms for run in series[_TIMED].runs]),
        quiet_mean([run.stages_ms[engine] for run in series[_PLAIN].runs]),
    )


def _graph(subject: Subject) -> list[NodeCost]:
    """What each node of the model's file costs; of an engine, nothing where that file is not beside it."""
    path = subject.path
    if subject.form == ENGINE_FORM:
        manifest = read_manifest(path)
        path = path.with_name(manifest.onnx_file)
        if not path.is_file() or file_digest(path) != manifest.onnx_sha256:
            return []
    return node_costs(onnx.load(path, load_external_data=False), subject.size)


def quiet_mean(times: Sequence[float]) -> float:
    """Mean of the fastest quarter, as layers are averaged."""
    return statistics.mean(sorted(times)[: max(1, len(times) // QUIET)])


def cache_bytes(root: Path = Path("/")) -> int:
    """Half of the largest cache of the first processor: what stays in it from one layer to the next."""
    sizes = []
    for file in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = file.read_text().strip()
        scale = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:], 1)
        sizes.append(int(text.rstrip("KM")) * scale)
    return max(sizes) // 2 if sizes else _DEFAULT_CACHE_BYTES
