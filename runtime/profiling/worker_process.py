"""Handle of a worker process: the parent's side of `layoutrt.runtime.profiling.worker`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.processors import usable_processors
from layoutrt.runtime.profiling.runner import Run


@dataclass(frozen=True)
class WarmUp:
    """Results of the runs before the counted ones."""

    first_ms: float
    """Time of the first run."""
    runs: int
    steady: bool
    """True if the rule of `layoutrt.runtime.profiling.steady_state` was met."""
    median_ms: float
    """Median time of the last runs."""


@dataclass(frozen=True)
class Round:
    """Counted runs of one round."""

    runs: list[Run]
    elapsed_ms: float
    """Time from the start of the first to the end of the last."""
    rss_mb: float
    """Memory of the process after them."""


@dataclass(frozen=True)
class End:
    """Results that a process reports after its last run."""

    peak_mb: float
    """Peak memory of the process, the interpreter and libraries included."""
    before_mb: float
    """Memory of the process before the model was opened."""
    details: dict[str, Any]


class WorkerProcess:
    """A process that has opened a runner and waits.

    Args:
        spec: see `layoutrt.runtime.profiling.worker`; ``threads`` may be None.

    Attributes:
        stages: stages of the runner.
        backend: backend of the runner.
        load_ms: time that opening it took.
        pid: id of the process.

    Raises:
        LayoutRTError: the runner could not be opened.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        threads = str(spec.get("threads") or usable_processors())
        # The runners divide numpy's work among threads themselves.
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": "1"}
        self._name = spec.get("name") or spec.get("model") or spec["runner"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "layoutrt.runtime.profiling.worker", json.dumps(dict(spec))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.pid = self._process.pid
        try:
            opened = self._answer()
        except BaseException:
            self.close()
            raise
        self.stages: tuple[str, ...] = tuple(opened["stages"])
        self.backend: str = opened["backend"]
        self.load_ms: float = opened["load_ms"]

    def warm_up(self, runs: int | None) -> WarmUp:
        """Run until steady, or ``runs`` times."""
        return WarmUp(**self._ask(do="warm_up", runs=runs))

    def run_round(self, warm_up_runs: int, count: int) -> Round:
        """Run ``warm_up_runs`` times without counting, then ``count`` times."""
        answer = self._ask(do="round", warm_up_runs=warm_up_runs, count=count)
        runs = [Run(started, total, tuple(stages)) for started, total, stages in answer["runs"]]
        return Round(runs, answer["elapsed_ms"], answer["rss_mb"])

    def end(self) -> End:
        """Write the result to the file of the specification, if it names one, and free the model."""
        return End(**self._ask(do="end"))

    def close(self) -> None:
        """End the process. Allowed more than once."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        # If the process has ended, its missing answer becomes the error.
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LayoutRTError(
                f"the process that ran {self._name} ended with status {self._process.wait()}; "
                "its output is above"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LayoutRTError(answer["error"])
        return answer
