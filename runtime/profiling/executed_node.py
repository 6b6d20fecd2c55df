"""What every profiler of an engine is folded into."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class ExecutedNode:
    """A node as the engine ran it, fused and converted as the engine saw fit."""

    name: str
    operator: str
    element: str
    """Type that it computes in, such as ``"float"`` or ``"uint8"``; of what only moves, the type that it
    moves."""
    bytes: int
    """Of activations read, weights and outputs."""
    start_ms: float
    """Median, from the start of the run."""
    times_ms: list[float]
    """Of each run."""
    origins: tuple[str, ...] = ()
    """Nodes of the model's file that it stands for, where the engine tells them; else its name says it."""

    def without(self, cost_ms: float) -> ExecutedNode:
        """The node less what timing it cost; a tenth of its time is left at least."""
        return replace(self, times_ms=[max(time - cost_ms, time / 10) for time in self.times_ms])

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
