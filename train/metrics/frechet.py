"""The Fréchet distance between two sets of feature vectors (Heusel et al. 2017, arXiv 1706.08500)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """``|m1 - m2|² + Tr(C1 + C2 - 2 (C1 C2)^½)``, with the unbiased covariances of the vectors.

    The trace of the root is taken without a matrix root. With ``C1 = AᵀA`` and ``C2 = BᵀB`` the eigenvalues
    of ``C1 C2`` are the squared singular values of ``ABᵀ``, so it is the sum of these singular values. That
    is exact for singular covariances as well, which fewer vectors than features always give.

    Args:
        first, second: float [count,features], two vectors or more each.

    Raises:
        LayoutRTError: fewer than two vectors, which have no covariance.
    """
    for vectors in (first, second):
        if len(vectors) < 2:
            raise LayoutRTError(
                f"a Fréchet distance needs two feature vectors or more on each side, got {len(vectors)}; "
                "evaluate more images"
            )
    mean_1, factor_1 = _mean_and_factor(first)
    mean_2, factor_2 = _mean_and_factor(second)
    root = np.linalg.svd(factor_1 @ factor_2.T, compute_uv=False).sum()
    traces = np.square(factor_1).sum() + np.square(factor_2).sum()
    # The distance of equal sets is 0 up to rounding, which may fall below.
    return max(0.0, float(np.square(mean_1 - mean_2).sum() + traces - 2 * root))


def _mean_and_factor(vectors: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean, and A with ``AᵀA`` = covariance; A has at most as many rows as there are features."""
    values = np.asarray(vectors, np.float64)
    mean = values.mean(0)
    factor = (values - mean) / np.sqrt(len(values) - 1)
    if len(factor) > factor.shape[1]:
        factor = np.asarray(np.linalg.qr(factor, mode="r"))
    return mean, factor
