"""The regression gate finds what is slower, and noise is not."""

import dataclasses

import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.regression import compare_profiles


def slower(changes):
    return [change.stage for change in changes if change.regressed]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_regression(seed, a_profile, model_profile) -> None:
    base, now = (a_profile(model_profile(seed=seed + 10 * k, noise=0.05)) for k in range(2))
    changes = compare_profiles(base, now, 0.1)
    assert [change.stage for change in changes] == ["engine", "end to end"]
    assert not slower(changes)
    assert all(change.low <= change.ratio <= change.high for change in changes)


def test_a_slower_engine_is_found_by_its_name(a_profile, model_profile) -> None:
    base, now = a_profile(model_profile(ms=20.0)), a_profile(model_profile(ms=24.0, seed=1))
    changes = compare_profiles(base, now, 0.1)
    assert slower(changes) == ["engine", "end to end"]
    assert changes[0].ratio == pytest.approx(1.2, abs=0.02)
    assert not slower(compare_profiles(base, now, 0.3))
    assert not slower(compare_profiles(now, base, 0.1))


def test_a_slower_machine_is_not_a_slower_model(a_profile, model_profile) -> None:
    base, now = a_profile(model_profile(ms=20.0)), a_profile(model_profile(ms=23.0, seed=1), pace=1.15)
    assert not slower(compare_profiles(base, now, 0.1))
    # The same times at the same pace are.
    assert slower(compare_profiles(base, a_profile(model_profile(ms=23.0, seed=1)), 0.1))


def test_what_a_single_turn_met_is_no_regression(a_profile, model_profile) -> None:
    base, now = a_profile(model_profile()), a_profile(model_profile(seed=1))
    for run in range(5):
        now.models[0].total_ms[run] *= 10
        now.models[0].stages_ms["engine"][run] *= 10
    assert not slower(compare_profiles(base, now, 0.1))


def test_profiles_that_cannot_be_compared_are_refused(a_profile, model_profile) -> None:
    base = a_profile(model_profile())
    another = dataclasses.replace(base, machine=base.machine | {"processor": "another"})
    with pytest.raises(LayoutRTError, match="another machine"):
        compare_profiles(another, base, 0.1)
    with pytest.raises(LayoutRTError, match=r"2\.\d\d times as long"):
        compare_profiles(base, a_profile(model_profile(), pace=2.0), 0.1)
    with pytest.raises(LayoutRTError, match="fewer than 5 rounds"):
        compare_profiles(base, a_profile(model_profile(rounds=3), rounds=3), 0.1)
    with pytest.raises(LayoutRTError, match="none of these models"):
        compare_profiles(
            a_profile(model_profile("a"), model_profile("b")), a_profile(model_profile("c")), 0.1
        )
    resized = dataclasses.replace(model_profile(), size=(64, 64))
    with pytest.raises(LayoutRTError, match="--size"):
        compare_profiles(base, a_profile(resized), 0.1)


def test_another_batch_is_refused_by_its_name(a_profile, model_profile) -> None:
    base = a_profile(model_profile())
    now = a_profile(dataclasses.replace(model_profile(), batch=4))
    with pytest.raises(LayoutRTError, match="with 1 layouts a run and is now with 4"):
        compare_profiles(base, now, 0.1)
