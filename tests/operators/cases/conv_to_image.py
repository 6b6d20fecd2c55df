"""`ConvToImage`: the definition gives levels that are not rounded yet."""

from __future__ import annotations

import numpy as np

from tests.operators.case import Case, convolution, floats


def conv_to_image(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, y: np.ndarray | None = None
) -> np.ndarray:
    features = x if y is None else np.concatenate([x, y], 1)
    return np.tanh(convolution(features, weight, bias)).transpose(0, 2, 3, 1) * 127.5 + 127.5


def _case(name: str, n: int, c: int, d: int, height: int, width: int, *, constant: bool = True) -> Case:
    """``d`` 0: without y. Sums have a standard deviation of one, so bytes take every value."""
    arguments = {
        "x": floats(1, n, c, height, width),
        "weight": floats(2, 3, c + d, 3, 3) / np.float32(3 * (c + d) ** 0.5),
        "bias": floats(3, 3) / 4,
    }
    if d:
        arguments["y"] = floats(4, n, d, height, width)
    return Case("ConvToImage", name, conv_to_image, arguments, {}, ("weight", "bias") if constant else ())


def _graded() -> Case:
    """The three sums of pixel i are its value times 1, -1 and 2: from -24 to 24, and far beyond."""
    weight = np.zeros((3, 1, 3, 3), np.float32)
    weight[:, 0, 1, 1] = 1, -1, 2
    steps = np.linspace(-12, 12, 20001)
    far = [0.0, -0.0, 44, -44, 89, -89, 1e30, -1e30, 3e38, -3e38]
    x = np.concatenate([steps, steps / 1000, far]).astype(np.float32).reshape(1, 1, 1, -1)
    arguments = {"x": x, "weight": weight, "bias": np.zeros(3, np.float32)}
    return Case("ConvToImage", "every level", conv_to_image, arguments, {}, ("weight", "bias"), exact=True)


CASES = [
    _case("one pixel", 1, 1, 0, 1, 1),
    _case("one row", 1, 3, 0, 1, 50),
    _case("one column", 2, 2, 1, 29, 1),
    _case("narrower than a vector", 3, 5, 2, 13, 3),
    _case("weights are inputs", 3, 5, 2, 13, 3, constant=False),
    _case("one pixel beyond a vector", 1, 1, 1, 5, 17),
    _case("whole vectors", 1, 8, 16, 12, 64),
    _case("a row short of a group", 1, 7, 0, 11, 33),
    _case("many channels", 1, 60, 5, 7, 30),
    _case("many parts", 2, 2, 1, 90, 70),
    _case("wider than a tile", 2, 3, 2, 8, 1100),
    _case("channels beyond the cache, narrow tiles", 1, 300, 0, 8, 200),
    _graded(),
]

_GOOD = CASES[6]
REFUSED = [
    (_GOOD, {name: floats(1, *shape)}, {}, sentence)
    for name, shape, sentence in [
        ("x", (1, 8, 64), "x must be [N, C, H, W], got [1, 8, 64]"),
        ("y", (1, 16, 12, 63), "y must be [N, D, H, W] = [1, ?, 12, 64], got [1, 16, 12, 63]"),
        ("weight", (3, 23, 3, 3), "weight must be [3, C + D, 3, 3] = [3, 24, 3, 3], got [3, 23, 3, 3]"),
        ("weight", (4, 24, 3, 3), "weight must be [3, C + D, 3, 3] = [3, "),
        ("weight", (3, 24, 5, 5), "weight must be [3, C + D, 3, 3] = [3, "),
        ("bias", (4,), "bias must be [3] = [3], got [4]"),
    ]
]
