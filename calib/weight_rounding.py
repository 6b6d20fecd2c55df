"""Rounding weights to integers so that the errors of a row cancel in what it computes.

Rounded one by one to the nearest level, the weights of a convolution err by up to half a step each, and those
errors add up wherever inputs go together. Rounded in turns instead, each error is handed on to the weights
that are still to be rounded, by how the inputs correlate (Frantar et al., "GPTQ: Accurate Post-Training
Quantization for Generative Pre-trained Transformers", ICLR 2023, arXiv 2210.17323, algorithm 1 without its
lazy batches). With it 7 bits give what 8 bits give without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layoutrt.calib.observe.scales import quantize_rows

LARGEST_LEVEL = 64
"""Largest magnitude of weights that ONNX Runtime multiplies by uint8.

Its kernels for x86 without VNNI add two products in 16 bits that saturate; 255 * (64 + 64) is below 32,768,
whichever two weights meet. (`session.x64quantprecision`, which makes larger weights exact at two thirds of
the speed, leaves weights within -64 to 64 alone.)
"""
_DAMPING = 0.01
"""Share of the mean of the diagonal that is added to it, as in the paper: patches are few."""


def round_rows(
    weight: NDArray[np.float32], moments: Sequence[NDArray[np.float32]] | None = None
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights of a convolution as symmetric int8 within `LARGEST_LEVEL`, one scale for every output.

    Args:
        weight: float32 ``[O, I, …]``.
        moments: moments of its inputs, as `patch_moments.collect_patch_moments` measures them; None rounds to
            the nearest level.

    Returns:
        int8 of the same shape, and the scales, float32 ``[O]``.
    """
    nearest, scales = quantize_rows(weight, 1, LARGEST_LEVEL)
    if moments is None:
        return nearest, scales
    rows = (weight.reshape(len(weight), -1) / scales[:, None]).astype(np.float64)
    levels = np.empty(rows.shape, np.int8)
    start = 0
    for block in moments:
        end = start + len(block)
        levels[:, start:end] = _round_block(rows[:, start:end].copy(), block)
        start = end
    assert start == rows.shape[1], (start, rows.shape)
    return levels.reshape(weight.shape), scales


def _round_block(rows: NDArray[np.float64], moments: NDArray[np.float32]) -> NDArray[np.int8]:
    """Levels of ``rows`` ``[O, K]``, which is consumed, for inputs with ``moments`` ``[K, K]``."""
    # Those that count most are rounded first, while there are others left to make up for them.
    order = np.argsort(-np.diag(moments), kind="stable")
    hessian = moments[np.ix_(order, order)].astype(np.float64)
    mean = np.diag(hessian).mean()
    hessian[np.diag_indices_from(hessian)] += _DAMPING * mean if mean > 0 else 1.0
    factor = np.linalg.cholesky(np.linalg.inv(hessian)).T
    rows = rows[:, order]
    levels = np.empty(rows.shape, np.int8)
    for column in range(rows.shape[1]):
        rounded = np.rint(rows[:, column]).clip(-LARGEST_LEVEL, LARGEST_LEVEL)
        error = (rows[:, column] - rounded) / factor[column, column]
        rows[:, column:] -= error[:, None] * factor[column, column:]
        levels[:, order[column]] = rounded
    return levels
