"""What a profile times: something that can be run again and again, and says where its time went."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

CALL, COPY_IN, ENGINE, COPY_OUT = "call", "copy in", "engine", "copy out"
MODEL_STAGES = (CALL, COPY_IN, ENGINE, COPY_OUT)
"""Of one model: around the native call; inputs packed or sent; the computation; outputs fetched."""


class Run(NamedTuple):
    """One run."""

    started_ns: int
    """On the clock of ``time.perf_counter_ns``, which all processes of a machine share."""
    total_ms: float
    """End to end."""
    stages_ms: tuple[float, ...]
    """Of each stage, one after the other from the start."""


class Runner(Protocol):
    """Attributes and methods of what a worker process runs.

    Attributes:
        stages: names of the stages, in their order.
        backend: what computes, such as ``"ONNX Runtime 1.32.0 CPU, AVX-512 operators, 2 threads"``.
    """

    stages: tuple[str, ...]
    backend: str

    def turn(self, count: int) -> list[Run]:
        """Run so many times and wait for the end of the last."""

    def result(self) -> NDArray | None:
        """What the last run computed; None where nobody compares it."""

    def details(self) -> dict[str, Any]:
        """More that is known after the last run, as plain values: a profile's layers."""

    def close(self) -> None:
        """Free the model."""
