"""Measures models side by side: opens them, warms them up, and lets them take turns."""

from __future__ import annotations

import datetime
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from layoutrt import __version__
from layoutrt.errors import LayoutRTError
from layoutrt.files import temporary_folder
from layoutrt.runtime.doctor.report import processor
from layoutrt.runtime.profiling.backends import YARDSTICK, specification
from layoutrt.runtime.profiling.energy import find_energy_counter
from layoutrt.runtime.profiling.inputs import write_inputs
from layoutrt.runtime.profiling.layer_profile import can_profile_layers, profile_layers
from layoutrt.runtime.profiling.nvml import open_nvml
from layoutrt.runtime.profiling.report import ModelProfile, Profile
from layoutrt.runtime.profiling.sensors import read_sensors, throttle_warnings
from layoutrt.runtime.profiling.subject import PIPELINE, Subject, unique_names
from layoutrt.runtime.profiling.turns import Series, take_turns
from layoutrt.runtime.profiling.worker_process import WarmUp, WorkerProcess
from layoutrt.runtime.profiling.yardstick import STAGES as YARDSTICK_STAGES
from layoutrt.runtime.profiling.yardstick import roofs
from layoutrt.runtime.session import MAX_THREADS
from layoutrt.runtime.usable import usable_processors

SECONDS = 5.0
"""Of each model, where neither iterations nor a duration are given."""
LEAST_TURNS = 20
"""That the runs are spread over, where there are so many runs."""
_TURN_MS = 200.0
_MOST_STREAK = 10
_PIPELINE_STREAK = 8
"""Of a pipeline, whose frames overlap only where they follow each other."""
_LEAD = 1
_YARDSTICK_NAME = "\0yardstick"
_STILL_GROWING_MB = 8.0
_DRIFT = 0.1

Progress = Callable[[str, float], None]
"""Told what is being done, and which share of it is."""


def profile(
    subjects: Sequence[Subject],
    *,
    source: str = "drive:",
    iterations: int | None = None,
    duration: float | None = None,
    warm_up: int | None = None,
    threads: int | None = None,
    backend: str | None = None,
    layers: bool = False,
    checkpoint_runner: str | None = None,
    progress: Progress = lambda what, share: None,
) -> Profile:
    """Measure models in turns, each in a process of its own, with work of known size in turns with them.

    Args:
        subjects: at least one.
        source: of the inputs, see `write_inputs`.
        iterations: counted runs of each model, at least; by default as many as fit in 5 s for each model.
        duration: seconds of the counted runs of all models together, instead.
        warm_up: runs before them; by default until steady, see `layoutrt.runtime.profiling.steady`.
        threads: of each model; None for one per processor.
        backend: see `specification`.
        layers: time the nodes of ONNX files, too.
        checkpoint_runner: see `specification`.
        progress: see `Progress`.

    Raises:
        LayoutRTError: an argument is out of range, or a model cannot be loaded or run.
    """
    _check(iterations, duration, warm_up, threads)
    names = unique_names(list(subjects))
    nvml = open_nvml()
    cores = usable_processors()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(temporary_folder()))
        specs: dict[str, dict[str, Any]] = {}
        for index, (name, subject) in enumerate(zip(names, subjects, strict=True)):
            inputs = folder / f"{index}.npz"
            write_inputs(subject, source, inputs)
            spec = specification(subject, backend, checkpoint_runner)
            specs[name] = spec | {"inputs": str(inputs), "threads": threads}
        counter = find_energy_counter(nvml)
        if counter is not None:
            stack.callback(counter.close)
        processes: dict[str, WorkerProcess] = {}
        warmed: dict[str, WarmUp] = {}
        device_mb: dict[str, float | None] = {}
        for index, (name, spec) in enumerate(specs.items()):
            progress(f"warming up {name}", index / len(specs))
            before_mb = nvml.state().used_mb if nvml else 0.0
            processes[name] = stack.enter_context(WorkerProcess(spec))
            warmed[name] = processes[name].warm_up(warm_up)
            device_mb[name] = nvml.state().used_mb - before_mb if nvml else None
        yardstick = stack.enter_context(WorkerProcess({"runner": YARDSTICK, "threads": threads or cores}))
        yardstick.warm_up(2)
        streak, go_on = _plan(iterations, duration, warmed, progress)
        before = read_sensors(nvml)
        origin_ns = time.perf_counter_ns()
        series = take_turns(
            {**processes, _YARDSTICK_NAME: yardstick},
            go_on=go_on,
            lead=_LEAD,
            streak=streak,
            streaks=_streaks(dict(zip(names, subjects, strict=True)), streak),
            joules=counter.joules if counter else None,
        )
        after = read_sensors(nvml)
        measured = series.pop(_YARDSTICK_NAME)
        found = roofs(_stages(YARDSTICK_STAGES, measured), threads or cores)
        models = []
        for index, (name, subject) in enumerate(zip(names, subjects, strict=True)):
            model = _model(
                name, subject, processes[name], warmed[name], series[name], origin_ns, device_mb[name]
            )
            # Opened again beside the session whose nodes are timed; what is idle would take its memory.
            end = processes[name].end()
            processes[name].close()
            model = replace(model, peak_mb=end.peak_mb, before_mb=end.before_mb)
            if layers and can_profile_layers(subject, backend):
                progress(f"timing the layers of {name}", index / len(names))
                model = replace(model, layers=profile_layers(subject, specs[name], found))
            models.append(model)
    return Profile(
        datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        _versions(),
        {
            "processor": processor(),
            "system": f"{platform.system()} {platform.release()}",
            "threads": threads or cores,
            "cores": cores,
            "load": os.getloadavg()[0],
        },
        {
            "input": source,
            "streak": streak,
            "lead": _LEAD,
            "turns": len(measured.rss_mb),
            "warm_up": "until steady" if warm_up is None else warm_up,
        },
        {"before": before.as_json(), "after": after.as_json(), "energy": counter.source if counter else None},
        [*throttle_warnings(before, after), *_warnings(models, measured, warm_up)],
        found,
        _by_turn(measured),
        models,
    )


def _check(iterations: int | None, duration: float | None, warm_up: int | None, threads: int | None) -> None:
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise LayoutRTError(f"--threads {threads} is out of range; give 1 to {MAX_THREADS}")
    if iterations is not None and iterations < 1:
        raise LayoutRTError(f"--iterations {iterations} measures nothing; give 1 or more")
    if duration is not None and not (duration > 0 and math.isfinite(duration)):
        raise LayoutRTError(f"--duration {duration:g} measures nothing; give seconds above 0")
    if warm_up is not None and warm_up < 1:
        raise LayoutRTError(
            f"--warmup {warm_up} is not possible: the first run is never counted; give 1 or more"
        )


def _plan(
    iterations: int | None, duration: float | None, warmed: dict[str, WarmUp], progress: Progress
) -> tuple[int, Callable[[int], bool]]:
    """Counted runs of a turn, and when the turns end."""
    slowest = max(warm.median_ms for warm in warmed.values())
    streak = max(1, min(_MOST_STREAK, round(_TURN_MS / slowest)))
    if iterations is not None:
        streak = max(1, min(streak, iterations // LEAST_TURNS))
    turns = math.ceil(iterations / streak) if iterations is not None else None
    seconds = duration if duration is not None else SECONDS * len(warmed)
    started = time.monotonic()

    def go_on(turn: int) -> bool:
        spent = (time.monotonic() - started) / seconds
        share = turn / turns if turns else max(spent, 0.0)
        progress("measuring", min(1.0, share))
        if turns is not None:
            return turn < turns and (duration is None or spent < 1)
        # Two turns at least, so that there is something to compare.
        return turn < 2 or spent < 1

    return streak, go_on


def _streaks(subjects: Mapping[str, Subject], streak: int) -> dict[str, int]:
    """Counted runs of a turn of those that need another number."""
    pipelines = [name for name, subject in subjects.items() if subject.form == PIPELINE]
    return dict.fromkeys(pipelines, max(streak, _PIPELINE_STREAK)) | {_YARDSTICK_NAME: 1}


def _stages(names: Sequence[str], series: Series) -> dict[str, list[float]]:
    return {name: [run.stages_ms[place] for run in series.runs] for place, name in enumerate(names)}


def _by_turn(series: Series) -> list[float]:
    """Median of the runs of each turn."""
    times: dict[int, list[float]] = {}
    for run, turn in zip(series.runs, series.turns, strict=True):
        times.setdefault(turn, []).append(run.total_ms)
    return [statistics.median(of_turn) for of_turn in times.values()]


def _model(
    name: str,
    subject: Subject,
    process: WorkerProcess,
    warm: WarmUp,
    series: Series,
    origin_ns: int,
    device_mb: float | None,
) -> ModelProfile:
    quarter = max(1, len(series.rss_mb) // 4)
    late, early = series.rss_mb[-quarter:], series.rss_mb[quarter : 2 * quarter] or series.rss_mb[:1]
    return ModelProfile(
        name=name,
        file=str(subject.path),
        sha256=subject.sha256,
        form=subject.form,
        kind=subject.kind,
        precision=subject.precision,
        backend=process.backend,
        size=subject.size,
        batch=subject.batch,
        load_ms=process.load_ms,
        first_ms=warm.first_ms,
        warm_up_runs=warm.runs,
        steady=warm.steady,
        elapsed_ms=series.elapsed_ms,
        peak_mb=0.0,
        before_mb=0.0,
        growth_mb=statistics.median(late) - statistics.median(early),
        device_mb=device_mb,
        joules=None if series.joules is None else series.joules / len(series.runs),
        turns=series.turns,
        started_ms=[(run.started_ns - origin_ns) / 1e6 for run in series.runs],
        total_ms=[run.total_ms for run in series.runs],
        stages_ms=_stages(process.stages, series),
    )


def _warnings(models: Sequence[ModelProfile], yardstick: Series, warm_up: int | None) -> list[str]:
    found = []
    for model in models:
        if warm_up is None and not model.steady:
            found.append(f"{model.name} was not steady after {model.warm_up_runs} runs of warm-up")
        if model.growth_mb > _STILL_GROWING_MB:
            found.append(f"the memory of {model.name} grew by {model.growth_mb:.0f} MB during the profile")
    pace = _by_turn(yardstick)
    quarter = len(pace) // 4
    if quarter:
        first, last = statistics.median(pace[:quarter]), statistics.median(pace[-quarter:])
        if last > (1 + _DRIFT) * first:
            found.append(
                f"the machine itself became {last / first - 1:.0%} slower during the profile: "
                "other work, or heat"
            )
    return found


def _versions() -> dict[str, str]:
    found = {"layoutrt": __version__, "python": platform.python_version()}
    for name in ("onnxruntime", "numpy", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
