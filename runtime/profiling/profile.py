"""Measurement of models side by side: open them, warm them up, and run them in alternating rounds."""

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
from layoutrt.runtime.processors import usable_processors
from layoutrt.runtime.profiling.backends import REFERENCE_WORKLOAD, specification
from layoutrt.runtime.profiling.energy import find_energy_counter
from layoutrt.runtime.profiling.inputs import write_inputs
from layoutrt.runtime.profiling.layer_profile import can_profile_layers, profile_layers
from layoutrt.runtime.profiling.nvml import open_nvml
from layoutrt.runtime.profiling.reference_workload import STAGES as REFERENCE_STAGES
from layoutrt.runtime.profiling.reference_workload import measured_peaks
from layoutrt.runtime.profiling.report import ModelProfile, Profile
from layoutrt.runtime.profiling.rounds import Series, run_rounds
from layoutrt.runtime.profiling.sensors import read_sensors, throttle_warnings
from layoutrt.runtime.profiling.target import PIPELINE, Target, unique_names
from layoutrt.runtime.profiling.worker_process import WarmUp, WorkerProcess
from layoutrt.runtime.session import MAX_THREADS

SECONDS = 5.0
"""Seconds of counted runs of each model, if neither iterations nor a duration are given."""
LEAST_ROUNDS = 20
"""Number of rounds that the runs are spread over, if there are that many runs."""
_ROUND_MS = 200.0
_MOST_ITERATIONS = 10
_PIPELINE_ITERATIONS = 8
"""Iterations per round of a pipeline, whose frames overlap only where they follow each other."""
_WARM_UP_RUNS = 1
_REFERENCE_NAME = "\0reference workload"
_STILL_GROWING_MB = 8.0
_DRIFT = 0.1

Progress = Callable[[str, float], None]
"""Callback with what is being done and the share of it that is done, 0 to 1."""


def profile(
    targets: Sequence[Target],
    *,
    source: str = "drive:",
    iterations: int | None = None,
    duration: float | None = None,
    warm_up: int | None = None,
    threads: int | None = None,
    backend: str | None = None,
    layers: bool = False,
    checkpoint_runner: str | None = None,
    progress: Progress = lambda activity, share: None,
) -> Profile:
    """Measure models in alternating rounds, each in a process of its own, beside a reference workload.

    Args:
        targets: at least one model.
        source: source of the inputs, see `write_inputs`.
        iterations: least number of counted runs of each model; by default as many as fit in 5 s per model.
        duration: seconds of the counted runs of all models together, instead of `iterations`.
        warm_up: runs before them; by default until steady, see `layoutrt.runtime.profiling.steady_state`.
        threads: threads of each model; None for one per processor.
        backend: see `specification`.
        layers: time the nodes of ONNX files, too.
        checkpoint_runner: see `specification`.
        progress: see `Progress`.

    Raises:
        LayoutRTError: an argument is out of range, or a model cannot be loaded or run.
    """
    _check(iterations, duration, warm_up, threads)
    names = unique_names(list(targets))
    nvml = open_nvml()
    cores = usable_processors()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(temporary_folder()))
        specs: dict[str, dict[str, Any]] = {}
        for index, (name, target) in enumerate(zip(names, targets, strict=True)):
            inputs = folder / f"{index}.npz"
            write_inputs(target, source, inputs)
            spec = specification(target, backend, checkpoint_runner)
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
        reference = stack.enter_context(
            WorkerProcess({"runner": REFERENCE_WORKLOAD, "threads": threads or cores})
        )
        reference.warm_up(2)
        iterations_per_round, go_on = _plan(iterations, duration, warmed, progress)
        before = read_sensors(nvml)
        origin_ns = time.perf_counter_ns()
        series = run_rounds(
            {**processes, _REFERENCE_NAME: reference},
            go_on=go_on,
            warm_up_runs=_WARM_UP_RUNS,
            iterations_per_round=iterations_per_round,
            iterations_by_name=_iterations_by_name(
                dict(zip(names, targets, strict=True)), iterations_per_round
            ),
            joules=counter.joules if counter else None,
        )
        after = read_sensors(nvml)
        measured = series.pop(_REFERENCE_NAME)
        found = measured_peaks(_stages(REFERENCE_STAGES, measured), threads or cores)
        models = []
        for index, (name, target) in enumerate(zip(names, targets, strict=True)):
            model = _model(
                name, target, processes[name], warmed[name], series[name], origin_ns, device_mb[name]
            )
            # Layers are timed in new processes; this one would only hold memory.
            end = processes[name].end()
            processes[name].close()
            model = replace(model, peak_mb=end.peak_mb, before_mb=end.before_mb)
            if layers and can_profile_layers(target, backend):
                progress(f"timing the layers of {name}", index / len(names))
                model = replace(model, layers=profile_layers(target, specs[name], found))
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
            "iterations_per_round": iterations_per_round,
            "warm_up_runs_per_round": _WARM_UP_RUNS,
            "rounds": len(measured.rss_mb),
            "warm_up": "until steady" if warm_up is None else warm_up,
        },
        {"before": before.as_json(), "after": after.as_json(), "energy": counter.source if counter else None},
        [*throttle_warnings(before, after), *_warnings(models, measured, warm_up)],
        found,
        _by_round(measured),
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
    """Iterations per round, and the test whether another round takes place."""
    slowest = max(warm.median_ms for warm in warmed.values())
    iterations_per_round = max(1, min(_MOST_ITERATIONS, round(_ROUND_MS / slowest)))
    if iterations is not None:
        iterations_per_round = max(1, min(iterations_per_round, iterations // LEAST_ROUNDS))
    rounds = math.ceil(iterations / iterations_per_round) if iterations is not None else None
    seconds = duration if duration is not None else SECONDS * len(warmed)
    started = time.monotonic()

    def go_on(number: int) -> bool:
        spent = (time.monotonic() - started) / seconds
        share = number / rounds if rounds else max(spent, 0.0)
        progress("measuring", min(1.0, share))
        if rounds is not None:
            return number < rounds and (duration is None or spent < 1)
        # Two rounds at least, so that there is something to compare.
        return number < 2 or spent < 1

    return iterations_per_round, go_on


def _iterations_by_name(targets: Mapping[str, Target], iterations_per_round: int) -> dict[str, int]:
    """Iterations per round of the targets that need another number."""
    pipelines = [name for name, target in targets.items() if target.form == PIPELINE]
    return dict.fromkeys(pipelines, max(iterations_per_round, _PIPELINE_ITERATIONS)) | {_REFERENCE_NAME: 1}


def _stages(names: Sequence[str], series: Series) -> dict[str, list[float]]:
    return {name: [run.stages_ms[place] for run in series.runs] for place, name in enumerate(names)}


def _by_round(series: Series) -> list[float]:
    """Median time of the runs of each round."""
    times: dict[int, list[float]] = {}
    for run, number in zip(series.runs, series.rounds, strict=True):
        times.setdefault(number, []).append(run.total_ms)
    return [statistics.median(of_round) for of_round in times.values()]


def _model(
    name: str,
    target: Target,
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
        file=str(target.path),
        sha256=target.sha256,
        form=target.form,
        kind=target.kind,
        precision=target.precision,
        backend=process.backend,
        size=target.size,
        batch=target.batch,
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
        rounds=series.rounds,
        started_ms=[(run.started_ns - origin_ns) / 1e6 for run in series.runs],
        total_ms=[run.total_ms for run in series.runs],
        stages_ms=_stages(process.stages, series),
    )


def _warnings(models: Sequence[ModelProfile], reference: Series, warm_up: int | None) -> list[str]:
    found = []
    for model in models:
        if warm_up is None and not model.steady:
            found.append(f"{model.name} was not steady after {model.warm_up_runs} runs of warm-up")
        if model.growth_mb > _STILL_GROWING_MB:
            found.append(f"the memory of {model.name} grew by {model.growth_mb:.0f} MB during the profile")
    pace = _by_round(reference)
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
