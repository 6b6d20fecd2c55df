"""The benchmark compares like with like."""

import numpy as np
import pytest

from layoutrt.runtime.bench import measure
from layoutrt.runtime.bench_operators import operator_pairs


@pytest.mark.parametrize("index", range(8))
def test_both_sides_of_a_comparison_compute_the_same(index) -> None:
    pair = operator_pairs(threads=2, side=32)[index]
    np.testing.assert_allclose(pair.ours(), pair.theirs(), rtol=1e-3, atol=2e-3)


def test_runs_take_turns_and_the_first_two_are_not_counted() -> None:
    order: list[str] = []
    times = measure({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b"] * 5
    assert set(times) == {"a", "b"}
    assert all(ms >= 0 for ms in times.values())
