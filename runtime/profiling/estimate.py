"""Rough estimate of a model's run time on a device: a roofline over the layers of its graph.

A layer takes the longer of two times, its arithmetic at the device's peak and its memory traffic at the peak
bandwidth, each at the efficiency that was fitted on measured devices, plus an overhead (Williams, Waterman,
Patterson: Roofline, 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import onnx

from layoutrt.artifacts.model_info import ONNX
from layoutrt.errors import LayoutRTError
from layoutrt.graph.cost import NodeCost, node_costs
from layoutrt.runtime.profiling.blocks import blocks_of_nodes
from layoutrt.runtime.profiling.device import Device
from layoutrt.runtime.profiling.layers import COMPUTE, MEMORY
from layoutrt.runtime.profiling.target import Target

PRECISIONS = ("fp32", "fp16", "int8")
_BITS = {"fp32": 32, "fp16": 16, "int8": 8}
_FUSED_AFTER = ("Relu", "LeakyRelu", "Add", "Mul", "Sigmoid", "Clip", "Div", "Sub", "Cast", "QuantizeLinear")
"""Operators that every runtime computes while it writes the output of the layer before."""
_FREE = ("DequantizeLinear", "Identity", "Reshape", "Unsqueeze", "Squeeze")
"""Operators that cost no time of their own."""


@dataclass(frozen=True)
class LayerEstimate:
    """Estimate of one layer, with the operators that are fused behind it."""

    name: str
    operator: str
    block: str
    flops: int
    bytes: float
    ms: float
    bound: str
    """``compute`` or ``memory``."""


@dataclass(frozen=True)
class Estimate:
    """Estimate of one run at batch 1; never a measurement."""

    model: str
    device: str
    precision: str
    size: tuple[int, int]
    ms: float
    low_ms: float
    high_ms: float
    layers: list[LayerEstimate]
    fitted_on: str

    def as_json(self) -> dict[str, Any]:
        """The estimate as plain values for JSON, marked as an estimate."""
        return {"what": "estimate"} | asdict(self)


def estimate(target: Target, device: Device, precision: str | None = None) -> Estimate:
    """Estimate a model's run time.

    Args:
        target: an ONNX file.
        device: peaks and efficiency of the device.
        precision: precision of the run; by default the file's. Another one scales the traffic and uses its
            own peak.

    Raises:
        LayoutRTError: the model is not an ONNX file, or the precision is not known.
    """
    if target.form != ONNX:
        raise LayoutRTError(
            f"{target.name} is not an ONNX file; estimates are made from graphs: export it first"
        )
    own = target.precision if target.precision in PRECISIONS else "fp32"
    wanted = precision or own
    if wanted not in PRECISIONS:
        raise LayoutRTError(f"--precision {wanted} is not known; choose {', '.join(PRECISIONS)}")
    graph = node_costs(onnx.load(target.path, load_external_data=False), target.size)
    layers = estimate_layers(graph, device, wanted, _BITS[wanted] / _BITS[own])
    total = sum(layer.ms for layer in layers)
    spread = device.efficiency.spread
    return Estimate(
        target.name,
        device.name,
        wanted,
        target.size,
        total,
        total / spread,
        total * spread,
        layers,
        device.efficiency.fitted_on,
    )


def estimate_layers(
    graph: Sequence[NodeCost], device: Device, precision: str, scale: float = 1.0
) -> list[LayerEstimate]:
    """Estimate the layers of a graph.

    Args:
        graph: nodes of the file.
        device: see `estimate`.
        precision: precision of the arithmetic.
        scale: factor on the memory traffic.
    """
    own = device.efficiency
    flops_per_ms = device.peak_tflops(precision) * own.compute.get(precision, own.compute["fp32"]) * 1e9
    bytes_per_ms = device.memory_gbs * own.memory * 1e6
    blocks = blocks_of_nodes(graph)
    found = []
    for node, moved in fused(graph):
        moved *= scale
        compute_ms, memory_ms = node.flops / flops_per_ms, moved / bytes_per_ms
        bound = COMPUTE if compute_ms >= memory_ms else MEMORY
        ms = max(compute_ms, memory_ms) + own.overhead_us / 1e3
        found.append(LayerEstimate(node.name, node.operator, blocks[node.name], node.flops, moved, ms, bound))
    return found


def fused(graph: Sequence[NodeCost]) -> list[tuple[NodeCost, float]]:
    """The layers that a runtime would launch, with the bytes that each moves.

    An elementwise node is fused into the layer that computes its input, if nothing else reads that: the
    tensor between them is never stored, and the layer writes the output of the last fused node.
    """
    readers: dict[str, int] = {}
    for node in graph:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    layers: list[tuple[NodeCost, list[float]]] = []
    layer_of: dict[str, int] = {}
    sizes: dict[str, float] = {}
    for node in graph:
        sizes |= {name: node.written_bytes / len(node.outputs) for name in node.outputs}
        source = next((name for name in node.inputs if name in layer_of), None)
        if node.operator in _FREE:
            # Its reader reads the source tensor, in the type in which it is stored.
            if source is not None:
                layer_of |= dict.fromkeys(node.outputs, layer_of[source])
            sizes |= dict.fromkeys(
                node.outputs, sizes.get(node.inputs[0], node.read_bytes) if node.inputs else 0
            )
            continue
        read = sum(sizes.get(name, 0.0) for name in node.inputs)
        if not sizes.keys() & set(node.inputs):
            read = node.read_bytes
        if node.operator in _FUSED_AFTER and source is not None and readers[source] == 1:
            place = layer_of[source]
            layers[place][1][0] += read - sizes[source] + node.weight_bytes
            layers[place][1][1] = node.written_bytes
            layer_of |= dict.fromkeys(node.outputs, place)
            continue
        layer_of |= dict.fromkeys(node.outputs, len(layers))
        layers.append((node, [read + node.weight_bytes, float(node.written_bytes)]))
    return [(node, sum(moved)) for node, moved in layers]
