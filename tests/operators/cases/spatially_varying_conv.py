"""`SpatiallyVaryingConv`."""

from __future__ import annotations

import numpy as np

from tests.operators.case import SHAPES, Case, affine, floats, windows


def spatially_varying_conv(
    x: np.ndarray, w: np.ndarray, scale: np.ndarray | None = None, shift: np.ndarray | None = None
) -> np.ndarray:
    if scale is not None and shift is not None:
        x = x * scale[:, None, None] + shift[:, None, None]
    n, c, height, width = x.shape
    taps = w.reshape(n, c, -1, height, width)
    size = int(taps.shape[2] ** 0.5)
    return sum(taps[:, :, t] * window for t, window in enumerate(windows(x, size)))


def varying_case(n: int, c: int, height: int, width: int, k: int, norm: bool) -> Case:
    name = f"{n}x{c}x{height}x{width} k{k}{' affine' * norm}"
    arguments = {"x": floats(1, n, c, height, width), "w": floats(2, n, c * k * k, height, width)}
    return Case("SpatiallyVaryingConv", name, spatially_varying_conv, arguments | affine(c, norm))


CASES = [varying_case(*shape, k, norm) for shape in SHAPES for k in (1, 3, 5) for norm in (False, True)]
CASES += [
    varying_case(*shape, norm)
    for shape in [
        (1, 1, 1, 37, 3),
        (2, 3, 37, 1, 3),
        (3, 5, 7, 9, 3),
        (1, 2, 16, 16, 3),
        (2, 3, 33, 70, 3),
        (1, 2, 3, 3000, 3),
        (1, 3, 6, 11, 1),
        (1, 3, 6, 11, 5),
        (1, 2, 2, 3, 7),
        (1, 2, 90, 200, 3),
    ]
    for norm in (False, True)
]

_GOOD = varying_case(1, 64, 4, 4, 3, False)
_X, _W = _GOOD.arguments.values()
REFUSED = [
    (
        _GOOD,
        {"w": _W[:, :500]},
        {},
        "w must be [N, C*k*k, H, W] = [1, 576, 4, 4] (k = 3; k may be 1, 3, 5 or 7), got [1, 500, 4, 4]",
    ),
    (_GOOD, {"w": _W[:, :, :3]}, {}, "w must be [N, C*k*k, H, W] = [1, 576, 4, 4], got [1, 576, 3, 4]"),
    (_GOOD, {"x": _X[0]}, {}, "x must be [N, C, H, W], got [64, 4, 4]"),
    (_GOOD, {"scale": floats(1, 3), "shift": floats(1, 64)}, {}, "scale must be [C] = [64], got [3]"),
    (_GOOD, {"scale": floats(1, 64)}, {}, "scale and shift must both be given or both be absent"),
]
