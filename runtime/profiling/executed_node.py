"""One executed node, as every backend's profiler reports it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class ExecutedNode:
    """A node as the engine ran it, after the engine's own fusions and conversions."""

    name: str
    operator: str
    element: str
    """Element type that it computes in, such as ``"float"`` or ``"uint8"``; for a node that only moves data,
    the type that it moves."""
    bytes: int
    """Bytes of the activations read, the weights and the outputs."""
    start_ms: float
    """Median start, from the start of the run."""
    times_ms: list[float]
    """Time of each run."""
    origins: tuple[str, ...] = ()
    """Nodes of the model's file that it stands for; empty if the engine does not report them (its name then
    tells)."""

    def without(self, cost_ms: float) -> ExecutedNode:
        """The node with the cost of timing taken off; at least a tenth of its time is left."""
        return replace(self, times_ms=[max(time - cost_ms, time / 10) for time in self.times_ms])

    def as_json(self) -> dict[str, Any]:
        """The node as plain values for JSON."""
        return asdict(self)
