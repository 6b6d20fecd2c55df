"""Profiles made by hand, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from layoutrt.runtime.profiling.layers import Layer
from layoutrt.runtime.profiling.reference_workload import Peaks
from layoutrt.runtime.profiling.report import LayerProfile, ModelProfile, Profile

ITERATIONS_PER_ROUND = 5
PEAKS = Peaks(200.0, 700.0, 25.0, 60.0)


def _layer(name: str, ms: float, share: float, *, block: str = "level 4", flops: int = 100_000_000) -> Layer:
    return Layer(name, name, "Conv", block, "fp32", 0.0, ms, share, flops, 1_000_000, 0.5, "compute")


def _model_profile(
    name: str = "model",
    ms: float = 20.0,
    *,
    rounds: int = 20,
    noise: float = 0.02,
    seed: int = 0,
    layers: bool = False,
) -> ModelProfile:
    random = np.random.default_rng(seed)
    count = rounds * ITERATIONS_PER_ROUND
    engine = ms * (1 + noise * np.abs(random.standard_normal(count)))
    stages = {
        "call": [0.2] * count,
        "copy in": [0.0] * count,
        "engine": engine.tolist(),
        "copy out": [0.01] * count,
    }
    total = [0.21 + float(value) for value in engine]
    folded = [_layer("up.3", 0.75 * ms, 0.75), _layer("to_rgb", 0.25 * ms, 0.25, block="to RGB")]
    return ModelProfile(
        name=name,
        file=f"{name}.onnx",
        sha256="0" * 64,
        form="onnx",
        kind="generator",
        precision="fp32",
        backend="ONNX Runtime",
        size=(192, 256),
        batch=1,
        load_ms=50.0,
        first_ms=25.0,
        warm_up_runs=21,
        steady=True,
        elapsed_ms=sum(total),
        peak_mb=110.0,
        before_mb=58.0,
        growth_mb=0.0,
        device_mb=None,
        joules=None,
        rounds=[number for number in range(rounds) for _ in range(ITERATIONS_PER_ROUND)],
        started_ms=np.cumsum([0.0, *total[:-1]]).tolist(),
        total_ms=total,
        stages_ms=stages,
        layers=LayerProfile(folded, ms, 1.03 * ms, 1.01 * ms) if layers else None,
    )


def _profile(*models: ModelProfile, pace: float = 1.0, rounds: int = 20) -> Profile:
    """``pace``: how long work of known size took, beside another profile's."""
    random = np.random.default_rng(7)
    reading = {"cpu_mhz": 2600.0, "celsius": None, "throttled": None, "gpu": None}
    return Profile(
        created="2026-01-02T03:04:05+00:00",
        versions={"layoutrt": "0.1.0", "python": "3.11.7"},
        machine={"processor": "a processor", "system": "Linux", "threads": 2, "cores": 2, "load": 0.1},
        method={
            "input": "drive:",
            "iterations_per_round": ITERATIONS_PER_ROUND,
            "warm_up_runs_per_round": 1,
            "rounds": rounds,
            "warm_up": "until steady",
        },
        sensors={"before": reading, "after": reading, "energy": None},
        warnings=[],
        peaks=PEAKS,
        reference_ms=(14.0 * pace * (1 + 0.01 * random.standard_normal(rounds))).tolist(),
        models=list(models) or [_model_profile()],
    )


@pytest.fixture(scope="session")
def model_profile() -> Callable[..., ModelProfile]:
    """Makes a model's profile: ``model_profile(name, ms, rounds=20, noise=0.02, seed=0, layers=False)``."""
    return _model_profile


@pytest.fixture(scope="session")
def a_profile() -> Callable[..., Profile]:
    """Makes a profile of models: ``a_profile(*models, pace=1.0, rounds=20)``."""
    return _profile
