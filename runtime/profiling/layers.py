"""Layers: what the engine ran, beside what the graph says that it costs and what the machine could do."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from layoutrt.graph.cost import NodeCost
from layoutrt.runtime.profiling.blocks import OTHER, blocks_of_nodes
from layoutrt.runtime.profiling.executed_node import ExecutedNode
from layoutrt.runtime.profiling.yardstick import Roofs

COMPUTE, MEMORY, CACHE, NEITHER = "compute", "memory", "cache", "neither"
QUIET = 4
"""One of so many runs is taken to be undisturbed."""
NEITHER_FACTOR = 4
"""A layer that takes more than so many times as long as its roof allows is bound by neither."""

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
    """As the engine calls it."""
    part: str
    """As its weights are called, such as ``levels.4.blocks.0.half_1``; its name where it has none."""
    operator: str
    block: str
    """Part of the network, see `layoutrt.runtime.profiling.blocks`."""
    precision: str
    """What it computes in, or moves."""
    start_ms: float
    """Median, from the start of the run."""
    ms: float
    """Mean of the quiet runs, see `quiet_runs`."""
    share: float
    """Of the sum of all layers."""
    flops: int
    bytes: int
    """Read and written, as if no cache held them."""
    roof_ms: float
    """The least that the machine's roofs allow."""
    bound: str
    """``compute``, ``memory`` or ``cache``: the roof it is under; ``neither``: far below them."""

    @property
    def gflops(self) -> float:
        """10^9 operations a second that it reached."""
        return self.flops / max(self.ms, 1e-6) / 1e6

    @property
    def gbs(self) -> float:
        """10^9 bytes a second that it reached."""
        return self.bytes / max(self.ms, 1e-6) / 1e6

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"gflops": self.gflops, "gbs": self.gbs}


def fold(
    executed: Sequence[ExecutedNode], graph: Sequence[NodeCost], roofs: Roofs, cache_bytes: int
) -> list[Layer]:
    """Give each executed node its place in the network, its arithmetic and its roof.

    Args:
        executed: from a profiler, in order.
        graph: the nodes of the model's file.
        roofs: of the machine.
        cache_bytes: what the caches hold; smaller layers are under the roof of a copy within them.
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
        # A conversion of the engine's own counts with the node before it.
        block = next((blocks[cost.name] for cost in own), block)
        flops = sum(cost.flops for cost in own)
        # Packed 8-bit weights are missing from what the engine counts.
        weights = sum(cost.weight_bytes for cost in own)
        moved = node.bytes + (weights if node.operator.startswith("QLinear") else 0)
        ms = times[index]
        precision = _PRECISIONS.get(node.element, node.element)
        compute_ms = flops / roofs.compute(precision) / 1e6
        roof = CACHE if moved <= cache_bytes else MEMORY
        memory_ms = moved / (roofs.cache_gbs if roof == CACHE else roofs.memory_gbs) / 1e6
        roof_ms = max(compute_ms, memory_ms)
        bound = COMPUTE if compute_ms >= memory_ms else roof
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

    A busy neighbor only ever adds time, and to another node in each run: medians of the nodes would not add
    up to the median of the runs. Means of one set of runs add up.
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
    made_by = {name: cost for cost in graph for name in cost.outputs}
    found: list[list[NodeCost]] = []
    for node in executed:
        if node.origins:
            found.append([by_name[name] for name in node.origins if name in by_name])
            continue
        name = _SUFFIX.sub("", node.name)
        # A fused node is called after its last output.
        start = by_name.get(name) or made_by.get(name)
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
        core = _nearest(own[0], "Conv", made_by, claimed)
        if core is not None:
            claimed.add(core.name)
            own.insert(0, core)
    return found


def _nearest(
    start: NodeCost, operator: str, made_by: Mapping[str, NodeCost], claimed: set[str]
) -> NodeCost | None:
    """The nearest node before ``start`` that has an operator and is no other layer's."""
    queue, seen = [start], 0
    while queue and seen < _SEARCHED:
        node = queue.pop(0)
        seen += 1
        if node.operator == operator and node.name not in claimed:
            return node
        queue += [made_by[name] for name in node.inputs if name in made_by]
    return None


def _part(cost: NodeCost) -> str:
    """What the first weight belongs to; where it is a constant without a dot in its name, the node's own
    name."""
    module, _, _ = cost.weights[0].rpartition(".")
    return module.removesuffix(".conditional") or cost.name


def _plain(operator: str) -> str:
    return operator.removeprefix("QLinear").removeprefix("Fused")
