"""Percentiles, jitter and the end of the warm-up."""

import numpy as np
import pytest

from layoutrt.runtime.profiling.statistics import summarize
from layoutrt.runtime.profiling.steady_state import MOST_RUNS, WINDOW, is_steady


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("draw", ["exponential", "lognormal", "uniform"])
def test_percentiles_are_numpys(seed, draw) -> None:
    series = 20 + getattr(np.random.default_rng(seed), draw)(size=10 + 137 * seed)
    found = summarize(series.tolist())
    expected = np.quantile(series, [0.5, 0.9, 0.95, 0.99], method="linear")
    np.testing.assert_allclose([found.p50_ms, found.p90_ms, found.p95_ms, found.p99_ms], expected, rtol=1e-12)
    extremes = [series.min(), series.max(), series.mean()]
    assert [found.min_ms, found.max_ms, found.mean_ms] == pytest.approx(extremes)
    assert found.count == len(series)


def test_percentiles_of_a_known_series_are_its_own() -> None:
    found = summarize(list(range(101)))
    assert (found.p50_ms, found.p90_ms, found.p95_ms, found.p99_ms) == (50, 90, 95, 99)


def test_jitter_is_the_mean_step_and_none_for_a_single_run() -> None:
    assert summarize([10.0, 12.0, 11.0, 11.0]).jitter_ms == pytest.approx(1.0)
    assert summarize([10.0]).jitter_ms == 0


def test_warm_up_ends_when_two_windows_agree() -> None:
    assert not is_steady([10.0] * (2 * WINDOW - 1))
    assert is_steady([10.0] * 2 * WINDOW)
    assert not is_steady([11.0] * WINDOW + [10.0] * WINDOW)
    # A single outlier does not matter.
    assert is_steady([50.0] * WINDOW + [10.0] * WINDOW + [10.0] * (WINDOW - 1) + [90.0])
    assert MOST_RUNS >= 2 * WINDOW
