"""What every profiler of an engine is folded into."""

from __future__ import annotations

from dataclasses import asdict, dataclass
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

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
