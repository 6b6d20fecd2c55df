"""`PredictedConv`; with 3x3 predictors of many features the native library takes Winograd's algorithm."""

from __future__ import annotations

import numpy as np

from tests.operators.case import SHAPES, Arguments, Case, affine, convolution, floats
from tests.operators.cases.spatially_varying_conv import spatially_varying_conv


def predicted_conv(
    x: np.ndarray, h: np.ndarray, weight: np.ndarray, bias: np.ndarray, **norm: np.ndarray
) -> np.ndarray:
    return spatially_varying_conv(x, convolution(h, weight, bias), **norm)


def _arguments(n: int, c: int, height: int, width: int, j: int, p: int, norm: bool, k: int = 3) -> Arguments:
    return {
        "x": floats(1, n, c, height, width),
        "h": floats(2, n, j, height, width),
        "weight": floats(3, c * k * k, j, p, p) / np.float32(p * j**0.5),
        "bias": floats(4, c * k * k),
    } | affine(c, norm)


def predicted_case(*sizes: int, norm: bool, constant: bool = False) -> Case:
    n, c, height, width, j, p = sizes
    name = f"{n}x{c}x{height}x{width} j{j} p{p}{' affine' * norm}{' constant' * constant}"
    constants = ("weight", "bias") if constant else ()
    return Case("PredictedConv", name, predicted_conv, _arguments(*sizes, norm), {}, constants)


CASES = [
    predicted_case(*shape, 5, p, norm=norm) for shape in SHAPES for p in (1, 3) for norm in (False, True)
]
CASES += [
    predicted_case(*shape, norm=norm, constant=constant)
    for *shape, constant in [
        (1, 1, 1, 1, 1, 1, True),
        (1, 1, 1, 1, 1, 3, True),
        (1, 3, 1, 50, 5, 3, True),
        (2, 2, 29, 1, 3, 3, True),
        (3, 5, 7, 9, 4, 1, True),
        (3, 5, 7, 9, 4, 3, False),
        (1, 4, 33, 100, 8, 3, True),
        (1, 4, 33, 100, 8, 1, False),
        (1, 2, 4, 1100, 3, 3, True),
        (1, 1, 10, 150, 512, 1, True),
        (1, 70, 4, 4, 2, 3, True),
        (2, 3, 5, 20, 70, 1, False),
        (2, 3, 5, 20, 1, 1, False),
    ]
    for norm in (False, True)
]


def _winograd(name: str, arguments: Arguments, cancels: bool = False) -> Case:
    return Case("PredictedConv", f"winograd, {name}", predicted_conv, arguments, cancels=cancels)


def _far_from_zero() -> Arguments:
    """Features as far from zero as a missing norm leaves them."""
    made = _arguments(1, 3, 21, 26, 64, 3, False)
    return made | {"h": made["h"] + np.float32(100)}


def _alternating() -> Arguments:
    """Signs and magnitudes that the transforms amplify the most."""
    made = _arguments(1, 3, 21, 26, 64, 3, False)
    rows, columns = np.indices((21, 26))
    kernel = np.array([1, -1, 1], np.float32)
    return made | {
        "h": np.abs(made["h"]) * np.where((rows + columns) % 2, -1000, 1000).astype(np.float32),
        "weight": np.abs(made["weight"]) * (kernel[:, None] * kernel),
    }


CASES += [
    _winograd(name, _arguments(*sizes, 3, norm))
    for name, sizes, norm in [
        ("whole tiles", (1, 3, 12, 12, 16), False),
        ("one row more", (1, 3, 13, 12, 16), False),
        ("batch with affine", (2, 5, 14, 31, 20), True),
        ("several vectors in a row of tiles", (1, 2, 10, 203, 17), True),
        ("less than a tile high", (1, 2, 3, 130, 16), False),
        ("one pixel high", (3, 2, 1, 33, 16), True),
        ("one pixel wide", (1, 2, 130, 1, 16), True),
        ("several parts", (1, 4, 67, 70, 33), True),
        ("channels in parts", (1, 70, 15, 17, 40), True),
    ]
]
CASES += [
    _winograd("far from zero", _far_from_zero(), cancels=True),
    _winograd("alternating", _alternating(), cancels=True),
]

# A size of the predicted kernels that torch and the function body compute, and no native kernel.
CASES.append(Case("PredictedConv", "k5", predicted_conv, _arguments(2, 3, 5, 20, 5, 1, True, k=5)))

_GOOD = Case(
    "PredictedConv", "good", predicted_conv, _arguments(1, 64, 4, 4, 8, 3, False), {}, ("weight", "bias")
)
_, _H, _WEIGHT, _BIAS = _GOOD.arguments.values()
REFUSED = [
    (_GOOD, {"h": _H[:, :, :3]}, {}, "h must be [N, J, H, W] = [1, ?, 4, 4], got [1, 8, 3, 4]"),
    (
        _GOOD,
        {"weight": floats(1, 576, 8, 5, 5)},
        {},
        "weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3, got [576, 8, 5, 5]",
    ),
    (_GOOD, {"h": _H[:, :7]}, {}, "weight must be [C*k*k, J, p, p] = [576, 7, 3, 3], got [576, 8, 3, 3]"),
    (_GOOD, {"bias": _BIAS[:9]}, {}, "bias must be [C*k*k] = [576], got [9]"),
]
