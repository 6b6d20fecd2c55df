"""Regression test of a profile against an earlier one: paired and aware of noise.

Each round's median time of a stage is divided by the time of the reference workload in the same round: what
slows the whole machine for a while cancels out. The ratio of the two profiles' medians gets a 95 % interval
by a bootstrap over rounds (2000 draws; rounds and not runs, because runs of a round resemble each other). A
stage has regressed if that whole interval lies above the limit.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.report import END_TO_END, ModelProfile, Profile

DRAWS = 2000
LEAST_ROUNDS = 5
LEAST_SHARE = 0.02
"""Stages below this share of the end-to-end time are not tested: they are noise."""
MOST_PACE = 1.25
"""Profiles whose reference workload took this many times as long are not compared."""


@dataclass(frozen=True)
class StageChange:
    """Times of a stage in the base profile and now."""

    model: str
    stage: str
    base_ms: float
    """Median of the base."""
    now_ms: float
    """Median now."""
    ratio: float
    """Now / base, both relative to the reference workload, by medians over rounds."""
    low: float
    """Lower end of the 95 % interval of the ratio."""
    high: float
    """Upper end of it."""
    regressed: bool


def compare_profiles(base: Profile, now: Profile, limit: float) -> list[StageChange]:
    """Test every stage of every model that both profiles have.

    Args:
        base, now: profiles of the same machine, threads and sizes.
        limit: allowed slowdown, as a fraction: 0.1 for 10 % slower.

    Raises:
        LayoutRTError: the profiles cannot be compared: other machines, models, sizes, or too few rounds.
    """
    for key in ("processor", "threads"):
        if base.machine[key] != now.machine[key]:
            raise LayoutRTError(
                f"the base was measured on another machine ({key} {base.machine[key]}, "
                f"now {now.machine[key]}); measure the base here"
            )
    pace = statistics.median(now.reference_ms) / statistics.median(base.reference_ms)
    if not 1 / MOST_PACE <= pace <= MOST_PACE:
        raise LayoutRTError(
            f"the machine took {pace:.2f} times as long for the reference workload as when the base was "
            "measured, so a comparison would say nothing; repeat it on a quiet machine"
        )
    changes = []
    for model, before in _pairs(base, now):
        if len(set(model.rounds)) < LEAST_ROUNDS or len(set(before.rounds)) < LEAST_ROUNDS:
            raise LayoutRTError(
                f"{model.name} was measured in fewer than {LEAST_ROUNDS} rounds; "
                f"give both profiles more --iterations or a longer --duration"
            )
        whole = statistics.median(model.total_ms)
        for stage, times in (*model.stages_ms.items(), (END_TO_END, model.total_ms)):
            earlier = before.total_ms if stage == END_TO_END else before.stages_ms.get(stage)
            if earlier is None or statistics.median(times) < LEAST_SHARE * whole:
                continue
            changes.append(
                _change(
                    (model.name, stage),
                    (earlier, before.rounds, base.reference_ms),
                    (times, model.rounds, now.reference_ms),
                    limit,
                )
            )
    return changes


def _pairs(base: Profile, now: Profile) -> list[tuple[ModelProfile, ModelProfile]]:
    earlier: Mapping[str, ModelProfile] = {model.name: model for model in base.models}
    if len(base.models) == len(now.models) == 1:
        # One against one: the name may have changed with the file.
        pairs = [(now.models[0], base.models[0])]
    else:
        pairs = [(model, earlier[model.name]) for model in now.models if model.name in earlier]
    if not pairs:
        raise LayoutRTError(
            f"the base has none of these models; it has {', '.join(earlier)}, "
            f"now there are {', '.join(model.name for model in now.models)}"
        )
    for model, before in pairs:
        if model.batch != before.batch:
            raise LayoutRTError(
                f"{model.name} was measured with {before.batch} layouts a run and is now with {model.batch}; "
                "give models of one batch (layoutrt export --batch)"
            )
        if model.size != before.size:
            raise LayoutRTError(
                f"{model.name} was measured at {before.size[0]}x{before.size[1]} and is now at "
                f"{model.size[0]}x{model.size[1]}; give the same --size"
            )
    return pairs


_Times = tuple[Sequence[float], Sequence[int], Sequence[float]]
"""Times of runs, their rounds, and the reference workload's time of each round."""


def _change(name: tuple[str, str], base: _Times, now: _Times, limit: float) -> StageChange:
    first, last = _at_pace(*base), _at_pace(*now)
    # Both are multiples of the reference workload's time.
    ratio = float(np.median(last) / np.median(first))
    random = np.random.default_rng(0)
    draws = [_medians(values, random) for values in (first, last)]
    low, high = (float(value) for value in np.percentile(draws[1] / draws[0], [2.5, 97.5]))
    medians = (statistics.median(base[0]), statistics.median(now[0]))
    return StageChange(*name, *medians, ratio, low, high, low > 1 + limit)


def _at_pace(
    times: Sequence[float], rounds: Sequence[int], reference: Sequence[float]
) -> NDArray[np.float64]:
    """Median of each round divided by that round's time of the reference workload."""
    of_round: dict[int, list[float]] = {}
    for time, number in zip(times, rounds, strict=True):
        of_round.setdefault(number, []).append(time)
    return np.array([statistics.median(values) / reference[number] for number, values in of_round.items()])


def _medians(values: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    picks = random.integers(0, len(values), (DRAWS, len(values)))
    return np.median(values[picks], axis=1)
