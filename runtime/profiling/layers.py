"""Layers: the nodes that the engine ran, with their cost from the graph and their limit from the machine's
peaks."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from layoutrt.graph.cost import NodeCost
from layoutrt.runtime.profiling.blocks import OTHER, blocks_of_nodes
from layoutrt.runtime.profiling.executed_node import ExecutedNode
from layoutrt.runtime.profiling.reference_workload import Peaks

COMPUTE, MEMORY, CACHE, NEITHER = "compute", "memory", "cache", "neither"
QUIET = 4
"""One run in this many is taken to be undisturbed."""
NEITHER_FACTOR = 4
"""A layer that takes more than this many times its roofline time is bound by neither."""

# What ONNX Runtime appends to the name of a node that it changed.
_SUFFIX = re.compile(r"(?:_token_\d+|_nchwc|/duplicated)+$")
# Names of ONNX and of TensorRT's inspector.
_PRECISIONS = {"float": "fp32", "float16": "fp16", "uint8": "int8", "int8": "int8"}
_SEARCHED = 12
"""Nodes that are looked at for the convolution of a fused node."""


@dataclass(frozen=True)
class Layer:
    """One node as the engine ran it."""

    name: str
    """Name that the engine gives it."""
    part: str
    """Module that its weights belong to, such as ``levels.4.blocks.0.half_1``; its name if it has none."""
    operator: str
    block: str
    """Part of the network, see `layoutrt.runtime.profiling.blocks`."""
    precision: str
    """Precision that it computes in, or moves."""
    start_ms: float
    """Median start, from the start of the run."""
    ms: float
    """Mean time of the quiet runs, see `quiet_runs`."""
    share: float
    """Share of the sum of all layers."""
    flops: int
    bytes: int
    """Bytes read and written, as if nothing were cached."""
    roof_ms: float
    """Roofline time: the least that the machine's peaks allow."""
    bound: str
    """``compute``, ``memory`` or ``cache``: the peak that limits it; ``neither``: far from all of them."""

    @property
    def gflops(self) -> float:
        """Operations that it reached, in 10^9 a second."""
        return self.flops / max(self.ms, 1e-6) / 1e6

    @property
    def gbs(self) -> float:
        """Bytes that it moved, in 10^9 a second."""
        return self.bytes / max(self.ms, 1e-6) / 1e6

    def as_json(self) -> dict[str, Any]:
        """The layer as plain values for JSON."""
        return asdict(self) | {"gflops": self.gflops, "gbs": self.gbs}


def fold(
    executed: Sequence[ExecutedNode], graph: Sequence[NodeCost], peaks: Peaks, cache_bytes: int
) -> list[Layer]:
    """Give each executed node its place in the network, its arithmetic and its roofline time.

    Args:
        executed: nodes of a profiler, in order.
        graph: the nodes of the model's file.
        peaks: peaks of the machine.
        cache_bytes: size of the caches; layers that move less are limited by the bandwidth within them.
    """
    origins = _origins(executed, graph)
    blocks = blocks_of_nodes(graph)
    quiet = quiet_runs(executed)
    times = [statistics.mean(node.times_ms[run] for run in quiet) for node in executed]
    total = sum(times) or 1.0
    layers: list[Layer] = []
    block = OTHER
    for index, node in enumerate(executed):
        own = origins[index]
        # A conversion that the engine added counts with the node before it.
        block = next((blocks[cost.name] for cost in own), block)
        flops = sum(cost.flops for cost in own)
        # Packed 8-bit weights are missing from what the engine counts.
        weights = sum(cost.weight_bytes for cost in own)
        moved = node.bytes + (weights if node.operator.startswith("QLinear") else 0)
        ms = times[index]
        precision = _PRECISIONS.get(node.element, node.element)
        compute_ms = flops / peaks.compute(precision) / 1e6
        level = CACHE if moved <= cache_bytes else MEMORY
        memory_ms = moved / (peaks.cache_gbs if level == CACHE else peaks.memory_gbs) / 1e6
        roof_ms = max(compute_ms, memory_ms)
        bound = COMPUTE if compute_ms >= memory_ms else level
        if ms > NEITHER_FACTOR * roof_ms:
            bound = NEITHER
        part = next((_part(cost) for cost in own if cost.weights), node.name)
        layers.append(
            Layer(
                node.name,
                part,
                node.operator,
                block,
                precision,
                node.start_ms,
                ms,
                ms / total,
                flops,
                moved,
                roof_ms,
                bound,
            )
        )
    return layers


def quiet_runs(executed: Sequence[ExecutedNode]) -> list[int]:
    """The fastest quarter of the runs, by the sum of their nodes' times; counted from the end, as -1, -2, ...

    Other processes only ever add time, and to another node in each run: medians of the nodes would not add up
    to the median of the runs. Means of one set of runs add up.
    """
    count = min(len(node.times_ms) for node in executed)
    order = sorted(range(-count, 0), key=lambda run: sum(node.times_ms[run] for node in executed))
    return order[: max(1, count // QUIET)]


def by_block(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """Layers by block, the blocks in the order in which the longest of their layers runs."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(layer.block, []).append(layer)
    return dict(sorted(groups.items(), key=lambda entry: max(entry[1], key=lambda layer: layer.ms).start_ms))


def by_operator(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """Layers by operator, the slowest first."""
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(layer.operator, []).append(layer)
    return dict(sorted(groups.items(), key=lambda entry: -sum(layer.ms for layer in entry[1])))


def _origins(executed: Sequence[ExecutedNode], graph: Sequence[NodeCost]) -> list[list[NodeCost]]:
    """The nodes of the file that each executed node stands for: one, or a convolution with its activation."""
    by_name = {cost.name: cost for cost in graph}
    producer = {name: cost for cost in graph for name in cost.outputs}
    found: list[list[NodeCost]] = []
    for node in executed:
        if node.origins:
            found.append([by_name[name] for name in node.origins if name in by_name])
            continue
        name = _SUFFIX.sub("", node.name)
        # A fused node is named after its last output.
        start = by_name.get(name) or producer.get(name)
        found.append([start] if start else [])
    claimed = {own[0].name for own in found if own}
    for node, own in zip(executed, found, strict=True):
        if (
            node.origins
            or not own
            or own[0].operator == _plain(node.operator)
            or _plain(node.operator) != "Conv"
        ):
            continue
        core = _nearest(own[0], "Conv", producer, claimed)
        if core is not None:
            claimed.add(core.name)
            own.insert(0, core)
    return found


def _nearest(
    start: NodeCost, operator: str, producer: Mapping[str, NodeCost], claimed: set[str]
) -> NodeCost | None:
    """The nearest node before ``start`` with this operator that belongs to no other layer."""
    queue, seen = [start], 0
    while queue and seen < _SEARCHED:
        node = queue.pop(0)
        seen += 1
        if node.operator == operator and node.name not in claimed:
            return node
        queue += [producer[name] for name in node.inputs if name in producer]
    return None


def _part(cost: NodeCost) -> str:
    """The module that the first weight belongs to; the node's own name if the weight's has no dot."""
    module, _, _ = cost.weights[0].rpartition(".")
    return module.removesuffix(".conditional") or cost.name


def _plain(operator: str) -> str:
    return operator.removeprefix("QLinear").removeprefix("Fused")
