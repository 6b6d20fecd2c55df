"""Runner protocol: a model that can be run repeatedly and reports the time of each of its stages."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

CALL, COPY_IN, ENGINE, COPY_OUT = "call", "copy in", "engine", "copy out"
MODEL_STAGES = (CALL, COPY_IN, ENGINE, COPY_OUT)
"""Stages of one model: around the native call; inputs packed or sent; the computation; outputs fetched."""


class Run(NamedTuple):
    """Times of one run."""

    started_ns: int
    """Start on the clock of ``time.perf_counter_ns``, which all processes of a machine share."""
    total_ms: float
    """Time end to end."""
    stages_ms: tuple[float, ...]
    """Time of each stage, one after the other from the start."""


class Runner(Protocol):
    """Attributes and methods that a worker process uses.

    Attributes:
        stages: names of the stages, in their order.
        backend: description of the backend, such as ``"ONNX Runtime 1.32.0 CPU, AVX-512 operators,
            2 threads"``.
    """

    stages: tuple[str, ...]
    backend: str

    def run(self, count: int) -> list[Run]:
        """Run ``count`` times and wait for the end of the last run."""

    def result(self) -> NDArray | None:
        """Output of the last run; None if it is not compared with anything."""

    def details(self) -> dict[str, Any]:
        """Further results after the last run, as plain values: the layers of a profile."""

    def close(self) -> None:
        """Free the model."""
