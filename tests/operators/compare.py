"""Tolerances of a result beside the definition."""

from __future__ import annotations

import numpy as np

from tests.operators.case import Case

TOLERANCES = {"float64": 1e-12, "float32": 1e-5, "float16": 3e-3, "bfloat16": 2e-2}
"""Largest error as a part of the largest result, by the type that is computed in."""

OF_TERMS = 2e-6
"""Largest error in float32 as a part of the largest sum of the terms' sizes."""

LEVELS = 1e-3
"""Tolerance before a result is rounded to a byte, as a part of the distance of two."""


def assert_is_defined(case: Case, result: np.ndarray, dtype: str, expected: np.ndarray | None = None) -> None:
    """A result of a case is its definition's, as near as the type that it was computed in allows."""
    expected = case.expected if expected is None else expected
    assert result.shape == expected.shape
    if case.operator == "ConvToImage":
        return _assert_bytes(case, result, expected)
    if dtype == "float32" and case.operator == "PredictedConv":
        assert np.abs(result - expected).max(initial=0) <= OF_TERMS * case.magnitude
    if case.cancels and dtype != "float64":
        return None
    tolerance = 0.0 if case.exact and dtype == "float32" else TOLERANCES[dtype]
    bound = tolerance * np.abs(expected).max(initial=0)
    if case.level:
        error = np.abs(result - expected)
        assert error.max() <= case.level
        assert np.mean(error > bound) < 0.01
        return None
    np.testing.assert_allclose(result, expected, rtol=0, atol=bound)
    return None


def _assert_bytes(case: Case, image: np.ndarray, levels: np.ndarray) -> None:
    assert image.dtype == np.uint8
    # Errors of the sums and of tanh: only so close to the middle of two levels may the other be taken.
    slack = 1e-6 * 127.5 if case.exact else LEVELS
    np.testing.assert_array_less(np.abs(image - levels), 0.5 + slack)
    if case.exact:
        ties = levels % 1 == 0.5
        assert np.array_equal(image[ties], np.rint(levels[ties]))
    assert len(np.unique(image)) > min(levels.size, 500) / 4
