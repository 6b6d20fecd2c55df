"""`GatedPredictedConv`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operators.case import Case, convolution, floats
from tests.operators.cases.predicted_conv import predicted_conv


def gate(
    d: np.ndarray,
    mix: np.ndarray,
    mix_bias: np.ndarray,
    gate_h: np.ndarray,
    gate_weight: np.ndarray,
    gate_bias: np.ndarray,
    residual: np.ndarray,
    alpha: float,
) -> np.ndarray:
    """The gate after the conditional convolution ``d``."""
    logit = np.clip(convolution(gate_h, gate_weight, gate_bias), -700, 700)
    product = convolution(d, mix, mix_bias) / (1 + np.exp(-logit))
    return residual + np.where(product > 0, product, alpha * product)


def gated_predicted_conv(
    x: np.ndarray,
    h: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    *,
    alpha: float = 0.2,
    **rest: np.ndarray,
) -> np.ndarray:
    return gate(predicted_conv(x, h, weight, bias, scale=scale, shift=shift), **rest, alpha=alpha)


WEIGHTS = ("weight", "bias", "scale", "shift", "mix", "mix_bias", "gate_weight", "gate_bias")


def gated_case(
    name: str,
    n: int,
    c: int,
    o: int,
    j: int,
    g: int | None,
    height: int,
    width: int,
    *,
    number: bool = False,
    constants: tuple[str, ...] = WEIGHTS,
    **attributes: Any,
) -> Case:
    """``g`` None: the gate is predicted from h itself. ``number``: the residual is a single one."""
    h = floats(2, n, j, height, width)
    arguments = {
        "x": floats(1, n, c, height, width),
        "h": h,
        "weight": floats(3, c * 9, j, 1, 1),
        "bias": floats(4, c * 9),
        "scale": floats(5, c),
        "shift": floats(6, c),
        "mix": floats(7, o, c, 1, 1) / np.float32(c**0.5),
        "mix_bias": floats(8, o),
        "gate_h": h if g is None else floats(9, n, g, height, width),
        "gate_weight": floats(10, o, j if g is None else g, 1, 1),
        "gate_bias": floats(11, o),
        "residual": np.full((1, 1, 1, 1), 0.25, np.float32) if number else floats(12, n, o, height, width),
    }
    return Case("GatedPredictedConv", name, gated_predicted_conv, arguments, attributes, constants)


CASES = [
    gated_case("one pixel", 1, 1, 1, 1, 1, 1, 1),
    gated_case("one row", 1, 3, 5, 2, None, 1, 50),
    gated_case("one column", 2, 2, 3, 3, None, 29, 1),
    gated_case("narrower than a vector", 3, 5, 9, 4, None, 13, 7),
    gated_case("weights are inputs, slope 0", 3, 5, 9, 4, None, 13, 7, constants=(), alpha=0.0),
    gated_case("weights are inputs, slope 0.7", 2, 3, 10, 4, 2, 5, 7, constants=(), alpha=0.7),
    gated_case("more channels out than in", 1, 6, 19, 8, None, 9, 33),
    gated_case("fewer channels out than in", 1, 21, 8, 8, None, 9, 32, number=True, alpha=0.5),
    gated_case("the gate has its own features", 2, 8, 16, 5, 7, 11, 30),
    gated_case("as many features in both, not the same", 2, 8, 16, 5, 5, 11, 30),
    gated_case("blocks that end within rows", 1, 4, 4, 33, None, 47, 101),
    gated_case("many parts", 2, 3, 2, 2, None, 90, 70, number=True),
    gated_case("weights beyond the cache", 1, 130, 96, 3, None, 6, 8),
]

_GOOD = CASES[8]
REFUSED = [
    (_GOOD, {name: floats(1, *shape)}, {}, sentence)
    for name, shape, sentence in [
        ("x", (2, 8, 330), "x must be [N, C, H, W], got [2, 8, 330]"),
        ("h", (2, 5, 11, 29), "h must be [N, J, H, W] = [2, ?, 11, 30], got [2, 5, 11, 29]"),
        ("weight", (72, 5, 3, 3), "weight must be [C*9, J, 1, 1] = [72, 5, 1, 1], got [72, 5, 3, 3]"),
        ("bias", (8,), "bias must be [C*9] = [72], got [8]"),
        ("scale", (7,), "scale must be [C] = [8], got [7]"),
        ("shift", (9,), "shift must be [C] = [8], got [9]"),
        ("mix", (16, 7, 1, 1), "mix must be [O, C, 1, 1] = [?, 8, 1, 1], got [16, 7, 1, 1]"),
        ("mix_bias", (15,), "mix_bias must be [O] = [16], got [15]"),
        ("gate_h", (1, 7, 11, 30), "gate_h must be [N, G, H, W] = [2, ?, 11, 30], got [1, 7, 11, 30]"),
        ("gate_weight", (16, 6, 1, 1), "gate_weight must be [O, G, 1, 1] = [16, 7, 1, 1], got [16, 6, 1, 1]"),
        ("gate_bias", (1,), "gate_bias must be [O] = [16], got [1]"),
        (
            "residual",
            (2, 8, 11, 30),
            "residual must be [1, 1, 1, 1] or [N, O, H, W] = [2, 16, 11, 30], got [2, 8, 11, 30]",
        ),
    ]
]
