"""`ChannelSoftsign`."""

from __future__ import annotations

import numpy as np

from tests.operators.case import SHAPES, Case, floats


def channel_softsign(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return x / (1 + scale[:, None, None] * np.abs(x))


CASES = [
    Case(
        "ChannelSoftsign",
        "x".join(map(str, shape)),
        channel_softsign,
        {"x": 4 * floats(1, *shape), "scale": np.abs(floats(2, shape[1]))},
    )
    for shape in SHAPES
]

_GOOD = CASES[3]
REFUSED = [
    (_GOOD, {"scale": floats(1, 2)}, {}, "scale must be [C] = [3], got [2]"),
    (_GOOD, {"x": floats(1, 3, 7)}, {}, "x must be [N, C, H, W], got [3, 7]"),
]
