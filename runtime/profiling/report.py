"""A profile as data, and as JSON of a documented schema (docs/profiling.md)."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.files import write_json as write_json_file
from layoutrt.runtime.profiling.layers import Layer
from layoutrt.runtime.profiling.reference_workload import Peaks
from layoutrt.runtime.profiling.runner import CALL
from layoutrt.runtime.profiling.statistics import Summary, summarize

SCHEMA = "layoutrt.profile"
VERSION = 2
"""Version of the JSON; grows when a reader of the last version would misread it."""
END_TO_END = "end to end"


@dataclass(frozen=True)
class LayerProfile:
    """The layers of one model."""

    layers: list[Layer]
    sum_ms: float
    """Sum of the layers' times."""
    profiled_ms: float
    """Time of a whole run while its nodes were timed: as for the layers, the mean of the fastest quarter of
    the runs."""
    engine_ms: float
    """Time of the engine stage while nodes were not timed, in the same rounds, averaged in the same way."""


@dataclass(frozen=True)
class ModelProfile:
    """Measurements of one candidate."""

    name: str
    file: str
    sha256: str
    form: str
    kind: str
    precision: str
    backend: str
    size: tuple[int, int]
    batch: int
    load_ms: float
    first_ms: float
    """Time of the first run after loading."""
    warm_up_runs: int
    steady: bool
    elapsed_ms: float
    """Time of the counted runs, without the pauses between rounds."""
    peak_mb: float
    """Most memory of its process, interpreter and libraries included."""
    before_mb: float
    """Memory of the process before the model was opened."""
    growth_mb: float
    """Growth of its memory: the last quarter of the rounds less the second quarter."""
    device_mb: float | None
    """Device memory that its process took when it opened the model; None if it is not known."""
    joules: float | None
    """Energy of a run, the rest of the device included; None if the machine has no counter."""
    rounds: list[int]
    """Number of the round of each counted run, from 0."""
    started_ms: list[float]
    """Start of each counted run, from the start of the profile."""
    total_ms: list[float]
    """Time of each counted run, end to end."""
    stages_ms: dict[str, list[float]]
    """Times of each stage in each counted run, the stages in order."""
    layers: LayerProfile | None = None

    @property
    def per_second(self) -> float:
        """Runs per second."""
        return 1e3 * len(self.total_ms) / self.elapsed_ms

    @property
    def time_to_first_frame_ms(self) -> float:
        """Time from a file on disk to the first result."""
        return self.load_ms + self.first_ms

    def summaries(self) -> dict[str, Summary]:
        """Summaries of the stages in order, and of the end-to-end time."""
        return {
            name: summarize(times) for name, times in (*self.stages_ms.items(), (END_TO_END, self.total_ms))
        }

    @property
    def stage_sum(self) -> float:
        """Share of a typical run's end-to-end time that the stages make up, without the call around them."""
        inner = [times for name, times in self.stages_ms.items() if name != CALL]
        return statistics.median(
            sum(parts) / total for total, *parts in zip(self.total_ms, *inner, strict=True)
        )


@dataclass(frozen=True)
class Profile:
    """Results of one run of ``layoutrt profile``."""

    created: str
    """Time of the measurement, ISO 8601 in UTC."""
    versions: dict[str, str]
    machine: dict[str, Any]
    """``processor``, ``system``, ``threads``, ``cores``."""
    method: dict[str, Any]
    """``input``, ``iterations_per_round``, ``warm_up_runs_per_round``, ``rounds``, ``warm_up``."""
    sensors: dict[str, Any]
    """``before`` and ``after``: clocks and temperatures; ``energy``: source of the energy figures."""
    warnings: list[str]
    peaks: Peaks
    reference_ms: list[float]
    """Time of the reference workload in each round: the speed of the machine then."""
    models: list[ModelProfile]

    @property
    def setting(self) -> str:
        """Processor and number of threads, for titles."""
        threads = self.machine["threads"]
        return f"{self.machine['processor']}, {threads} {'thread' if threads == 1 else 'threads'}"

    def as_json(self) -> dict[str, Any]:
        """The profile as plain values for JSON, with the summaries that a reader would otherwise compute."""
        content: dict[str, Any] = {"schema": SCHEMA, "version": VERSION} | asdict(self)
        for model, entry in zip(self.models, content["models"], strict=True):
            entry["per_second"] = model.per_second
            entry["time_to_first_frame_ms"] = model.time_to_first_frame_ms
            entry["summary"] = {name: summary.as_json() for name, summary in model.summaries().items()}
            if model.layers:
                entry["layers"]["layers"] = [layer.as_json() for layer in model.layers.layers]
        return content


def write_json(path: str | Path, profile: Profile) -> None:
    """Write the profile, all or nothing.

    Raises:
        LayoutRTError: the file cannot be written.
    """
    write_json_file(path, profile.as_json(), indent=1)


def read_json(path: str | Path) -> Profile:
    """Read what `write_json` wrote.

    Raises:
        LayoutRTError: the file does not exist, is not a profile, or has another version of the schema.
    """
    try:
        content = json.loads(Path(path).read_text())
    except OSError as error:
        raise LayoutRTError(
            f"cannot read {path}: {error.strerror}; give a file of layoutrt profile --json"
        ) from None
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise LayoutRTError(f"{path} is not a profile; give a file of layoutrt profile --json")
    if content.get("version") != VERSION:
        raise LayoutRTError(
            f"{path} has version {content.get('version')} of the profile's schema and this layoutrt reads "
            f"version {VERSION}; measure it again with layoutrt profile --json"
        )
    try:
        models = [_model(entry) for entry in content["models"]]
        own = {
            name: content[name] for name in Profile.__dataclass_fields__ if name not in ("models", "peaks")
        }
        profile = Profile(**own, peaks=Peaks(**content["peaks"]), models=models)
        _check(profile)
        return profile
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise LayoutRTError(
            f"{path} is damaged ({error}); measure it again with layoutrt profile --json"
        ) from None


def _check(profile: Profile) -> None:
    """Raise ValueError, KeyError or TypeError unless times and rounds match."""
    if not profile.setting or not all(ms > 0 for ms in profile.reference_ms):
        raise ValueError("a time of the reference workload is not above 0")
    for model in profile.models:
        runs = [len(times) for times in (model.started_ms, model.total_ms, *model.stages_ms.values())]
        if not model.rounds or set(runs) != {len(model.rounds)}:
            raise ValueError(f"{model.name} has another number of times than of runs")
        if not 0 <= min(model.rounds) <= max(model.rounds) < len(profile.reference_ms):
            raise ValueError(f"{model.name} has rounds without a time of the reference workload")


def _model(entry: dict[str, Any]) -> ModelProfile:
    own = {name: entry[name] for name in ModelProfile.__dataclass_fields__}
    own["size"] = (entry["size"][0], entry["size"][1])
    if entry["layers"]:
        fields = Layer.__dataclass_fields__
        layers = [Layer(**{name: layer[name] for name in fields}) for layer in entry["layers"]["layers"]]
        own["layers"] = LayerProfile(**(entry["layers"] | {"layers": layers}))
    return ModelProfile(**own)
