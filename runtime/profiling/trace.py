"""A profile in Chrome's trace format, for Perfetto (ui.perfetto.dev) and ``chrome://tracing``.

The format is that of the "Trace Event Format" document: complete events (``ph`` X) with times in us, and
metadata events (``ph`` M) that name processes and threads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from layoutrt.files import replacing
from layoutrt.runtime.profiling.report import END_TO_END, ModelProfile, Profile

MOST_RUNS = 500
"""Number of runs of each model that are drawn: the first ones."""


def write_trace(path: str | Path, profile: Profile) -> None:
    """Write the trace, all or nothing: a process for each model, a thread for each stage and one for the
    layers.

    Raises:
        LayoutRTError: the file cannot be written.
    """
    content = {
        "traceEvents": trace_events(profile),
        "displayTimeUnit": "ms",
        "otherData": {
            **profile.versions,
            "created": profile.created,
            "processor": profile.machine["processor"],
        },
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n")


def trace_events(profile: Profile) -> list[dict[str, Any]]:
    """The events, see `write_trace`."""
    events: list[dict[str, Any]] = []
    for process, model in enumerate(profile.models, 1):
        events.append(_name("process_name", process, 0, f"{model.name} ({model.precision})"))
        events += _stages(process, model)
        if model.layers:
            events += _layers(process, len(model.stages_ms) + 2, model)
    return events


def _stages(process: int, model: ModelProfile) -> list[dict[str, Any]]:
    rows = [END_TO_END, *model.stages_ms]
    events = [_name("thread_name", process, row, name) for row, name in enumerate(rows, 1)]
    for run, (start, total) in enumerate(zip(model.started_ms, model.total_ms, strict=True)):
        if run >= MOST_RUNS:
            break
        facts = {"run": run, "round": model.rounds[run]}
        events.append(_event(process, 1, f"run {run}", start, total, "run", facts))
        for row, (name, times) in enumerate(model.stages_ms.items(), 2):
            if times[run] > 0:
                events.append(_event(process, row, name, start, times[run], "stage", facts))
            start += times[run]
    return events


def _layers(process: int, thread: int, model: ModelProfile) -> list[dict[str, Any]]:
    """The layers of an undisturbed run, drawn at the place of the first counted run."""
    assert model.layers is not None
    events = [_name("thread_name", process, thread, "layers (of an undisturbed run)")]
    before = sum(times[0] for name, times in model.stages_ms.items() if name in ("call", "copy in"))
    clock = model.started_ms[0] + before
    for layer in model.layers.layers:
        facts = {
            "operator": layer.operator,
            "block": layer.block,
            "precision": layer.precision,
            "GFLOP/s": round(layer.gflops, 2),
            "GB/s": round(layer.gbs, 2),
            "bound": layer.bound,
        }
        events.append(_event(process, thread, layer.name, clock, layer.ms, "layer", facts))
        clock += layer.ms
    return events


def _name(key: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": key, "pid": process, "tid": thread, "args": {"name": name}}


def _event(
    process: int, thread: int, name: str, start_ms: float, ms: float, category: str, facts: dict[str, Any]
) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": process,
        "tid": thread,
        "ts": round(start_ms * 1e3, 3),
        "dur": round(ms * 1e3, 3),
        "args": facts,
    }
