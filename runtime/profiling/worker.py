"""The process of one candidate: opens what it is told to and runs it on request.

Started by `layoutrt.runtime.profiling.worker_process` with a specification in JSON, whose ``runner`` names a
class or function, ``package.module:Name``, that takes the specification and returns a `Runner`. A process of
its own has thread pools that do not disturb the others, and a peak memory of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling import steady_state
from layoutrt.runtime.profiling.runner import Run, Runner


def main() -> None:
    """Serve until there are no more requests."""
    # Libraries may print: their output must not get between the answers.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        _serve(json.loads(sys.argv[1]), channel)
    except LayoutRTError as error:
        _answer(channel, {"error": str(error)})
        sys.exit(1)


def _serve(spec: dict[str, Any], channel: TextIO) -> None:
    module, _, name = spec["runner"].partition(":")
    open_runner = getattr(importlib.import_module(module), name)
    before_mb = memory_mb("VmRSS")
    started = time.perf_counter()
    runner: Runner = open_runner(spec)
    load_ms = (time.perf_counter() - started) * 1e3
    _answer(channel, {"stages": runner.stages, "backend": runner.backend, "load_ms": load_ms})
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "warm_up":
            _answer(channel, _warm_up(runner, request["runs"]))
        elif request["do"] == "round":
            _answer(channel, _round(runner, request["warm_up_runs"], request["count"]))
        else:
            result = runner.result()
            if spec.get("result") and result is not None:
                np.save(spec["result"], result)
            peak_mb = memory_mb("VmHWM")
            details = runner.details()
            runner.close()
            _answer(channel, {"peak_mb": peak_mb, "before_mb": before_mb, "details": details})
            return


def _warm_up(runner: Runner, runs: int | None) -> dict[str, Any]:
    """Run until steady, or ``runs`` times; the first run is timed apart."""
    (first,) = runner.run(1)
    times: list[float] = []
    started = time.perf_counter()
    while runs is None and not steady_state.is_steady(times):
        if len(times) >= steady_state.MOST_RUNS or time.perf_counter() - started > steady_state.MOST_SECONDS:
            break
        times += [run.total_ms for run in runner.run(steady_state.WINDOW // 2)]
    if runs is not None and runs > 1:
        times += [run.total_ms for run in runner.run(runs - 1)]
    return {
        "first_ms": first.total_ms,
        "runs": 1 + len(times),
        "steady": steady_state.is_steady(times),
        "median_ms": float(np.median(times[-steady_state.WINDOW :] or [first.total_ms])),
    }


def _round(runner: Runner, warm_up_runs: int, count: int) -> dict[str, Any]:
    if warm_up_runs:
        runner.run(warm_up_runs)
    started = time.perf_counter()
    runs: list[Run] = runner.run(count)
    elapsed_ms = (time.perf_counter() - started) * 1e3
    return {"runs": runs, "elapsed_ms": elapsed_ms, "rss_mb": memory_mb("VmRSS")}


def memory_mb(field: str) -> float:
    """Memory in MB from ``/proc/self/status``: ``VmRSS`` is the current use, ``VmHWM`` the peak.

    (``getrusage`` would count the process that started this one, too.)
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def _answer(channel: TextIO, content: dict[str, Any]) -> None:
    print(json.dumps(content), file=channel, flush=True)


if __name__ == "__main__":
    main()
