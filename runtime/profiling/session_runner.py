"""Runner of a model in the native runtime."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layoutrt.runtime.profiling.runner import MODEL_STAGES, Run
from layoutrt.runtime.session import Session


class SessionRunner:
    """Runner of a `Session`, whose stages are timed by the native library's own clock.

    Args:
        spec: ``model`` (path), ``inputs`` (an ``.npz`` whose arrays have one more dimension in front: the
            runs cycle through its entries), ``threads`` (None for one per processor).

    Raises:
        LayoutRTError: the model cannot be loaded.
    """

    stages = MODEL_STAGES

    def __init__(self, spec: dict[str, Any]) -> None:
        self._session = Session(spec["model"], threads=spec["threads"])
        self.backend = self._session.backend
        self._samples = read_samples(spec["inputs"])
        self._next = 0
        self._result: dict[str, NDArray] = {}

    def run(self, count: int) -> list[Run]:
        """See `Runner`."""
        return [self._run() for _ in range(count)]

    def _run(self) -> Run:
        inputs = self._samples[self._next % len(self._samples)]
        self._next += 1
        started = time.perf_counter_ns()
        self._result = self._session.run(**inputs)
        total_ms = (time.perf_counter_ns() - started) / 1e6
        times = self._session.timings
        parts = (times.copy_in_ms, times.engine_ms, times.copy_out_ms)
        return Run(started, total_ms, (max(0.0, total_ms - sum(parts)), *parts))

    def result(self) -> NDArray | None:
        """The first output."""
        return next(iter(self._result.values()), None)

    def details(self) -> dict[str, Any]:
        """No details."""
        return {}

    def close(self) -> None:
        """Free the session."""
        self._session.close()


def read_samples(path: str) -> list[dict[str, NDArray]]:
    """Arguments of consecutive runs, from an ``.npz`` whose arrays have one more dimension in front."""
    with np.load(path) as arrays:
        stacked = dict(arrays)
    count = min(len(array) for array in stacked.values())
    return [{name: array[index] for name, array in stacked.items()} for index in range(count)]
