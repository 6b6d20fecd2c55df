"""Two models side by side on the clock."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from layoutrt.runtime.session import Session

_ITERATIONS_PER_ROUND, _WARM_UP_RUNS = 3, 1
"""Runs of a round that are counted, and before them those that are not."""
_SETTLE_S = 0.02
"""Pause before a round, in seconds: the other model's threads spin for a while before they sleep."""
_LEAST_ROUNDS, _MOST_ROUNDS, _ENOUGH_S = 2, 12, 4.0


@dataclass(frozen=True)
class Speed:
    """Median times of a run."""

    reference_ms: float
    candidate_ms: float
    backend: str

    @property
    def ratio(self) -> float:
        """Speed of the candidate relative to the reference."""
        return self.reference_ms / self.candidate_ms

    def __str__(self) -> str:
        return (
            f"{self.candidate_ms:.1f} ms where float32 takes {self.reference_ms:.1f} ms: "
            f"{self.ratio:.2f}x ({self.backend})"
        )


def compare_speed(
    reference: Path, candidate: Path, arguments: dict[str, NDArray], *, threads: int | None = None
) -> Speed:
    """Run two models in alternating rounds, so that a slow spell of the machine meets both.

    Args:
        reference, candidate: ONNX files of the same inputs.
        arguments: arguments of each run.
        threads: number of threads of a run; None for one per processor.
    """
    with Session(reference, threads=threads) as a, Session(candidate, threads=threads) as b:
        times: dict[Session, list[float]] = {a: [], b: []}
        started = time.perf_counter()
        for number in range(_MOST_ROUNDS):
            if number >= _LEAST_ROUNDS and time.perf_counter() - started > _ENOUGH_S:
                break
            for session, of in times.items():
                time.sleep(_SETTLE_S)
                for run in range(_WARM_UP_RUNS + _ITERATIONS_PER_ROUND):
                    before = time.perf_counter()
                    session.run(**arguments)
                    if run >= _WARM_UP_RUNS:
                        of.append(1e3 * (time.perf_counter() - before))
        return Speed(statistics.median(times[a]), statistics.median(times[b]), b.backend)
