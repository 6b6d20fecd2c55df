"""`QuantizedGatedPredictedConv`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.operators.case import Case, floats, int8, whole
from tests.operators.cases.gated_predicted_conv import gate
from tests.operators.cases.quantized_predicted_conv import dequantize, quantize, quantized_predicted_conv


def quantized_gated_predicted_conv(
    x: np.ndarray,
    h: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    mix: np.ndarray,
    mix_bias: np.ndarray,
    gate_h: np.ndarray,
    gate_weight: np.ndarray,
    gate_bias: np.ndarray,
    residual: np.ndarray,
    *,
    mix_in_scale: float,
    mix_in_zero_point: int,
    mix_scale: list[float],
    gate_h_scale: float,
    gate_h_zero_point: int,
    gate_weight_scale: list[float],
    alpha: float = 0.2,
    **predictor: Any,
) -> np.ndarray:
    d = quantized_predicted_conv(x, h, weight, bias, scale=scale, shift=shift, **predictor)
    return gate(
        quantize(d, mix_in_scale, mix_in_zero_point),
        dequantize(mix, mix_scale),
        mix_bias,
        quantize(gate_h, gate_h_scale, gate_h_zero_point),
        dequantize(gate_weight, gate_weight_scale),
        gate_bias,
        residual,
        alpha,
    )


CONSTANTS = ("weight", "bias", "mix", "gate_weight")


def _exact_case(
    name: str, n: int, c: int, o: int, j: int, g: int | None, height: int, width: int, **attributes: Any
) -> Case:
    """``g`` None: h is the gate's input too. Everything before the sigmoid is exact in float32."""
    h = np.random.default_rng(2).integers(-40, 40, (n, j, height, width)).astype(np.float32) / 4
    arguments = {
        "x": whole(1, n, c, height, width),
        "h": h,
        "weight": int8(3, c * 9, j, 1, 1) // 16,
        "bias": whole(4, c * 9),
        "scale": whole(5, c),
        "shift": whole(6, c),
        "mix": int8(7, o, c, 1, 1),
        "mix_bias": whole(8, o),
        "gate_h": h if g is None else whole(9, n, g, height, width),
        "gate_weight": int8(10, o, g or j, 1, 1),
        "gate_bias": whole(11, o),
        "residual": whole(12, n, o, height, width),
    }
    kept = {
        "h_scale": 0.5,
        "h_zero_point": 128,
        "weight_scale": [2.0 ** -(i % 3) for i in range(c)],
        "mix_in_scale": 4.0,
        "mix_in_zero_point": 120,
        "mix_scale": [2.0 ** -(i % 3 + 9) for i in range(o)],
        "gate_h_scale": 0.5,
        "gate_h_zero_point": 128,
        "gate_weight_scale": [2.0 ** -(i % 3 + 8) for i in range(o)],
    } | attributes
    return _made(name, arguments, kept)


def _case(n: int, c: int, height: int, width: int, g: int | None) -> Case:
    """Any numbers: between two levels of the convolution's result a rounding error of float32 decides."""
    o, h = 7, floats(2, n, 6, height, width)
    arguments = {
        "x": floats(1, n, c, height, width),
        "h": h,
        "weight": int8(3, c * 9, 6, 1, 1),
        "bias": floats(4, c * 9),
        "scale": floats(5, c),
        "shift": floats(6, c),
        "mix": int8(7, o, c, 1, 1),
        "mix_bias": floats(8, o),
        "gate_h": h if g is None else floats(9, n, g, height, width),
        "gate_weight": int8(10, o, g or 6, 1, 1),
        "gate_bias": floats(11, o),
        "residual": np.full((1, 1, 1, 1), 0.5, np.float32) if g else floats(12, n, o, height, width),
    }
    attributes = {
        "h_scale": 0.017,
        "h_zero_point": 120,
        "weight_scale": [0.003 * (i % 5 + 1) for i in range(c)],
        "mix_in_scale": 0.09,
        "mix_in_zero_point": 131,
        "mix_scale": [0.002 * (i % 3 + 1) for i in range(o)],
        "gate_h_scale": 0.02,
        "gate_h_zero_point": 90,
        "gate_weight_scale": [0.004 * (i % 4 + 1) for i in range(o)],
        "alpha": 0.1,
    }
    # One level of one channel is worth at most 127 of mix's steps.
    level = 1.01 * 127 * 0.09 * max(attributes["mix_scale"])
    name = f"{n}x{c}x{height}x{width} gated by {'its own features' if g else 'h'}"
    return _made(name, arguments, attributes, level)


def _made(
    name: str, arguments: dict[str, np.ndarray], attributes: dict[str, Any], level: float = 0.0
) -> Case:
    definition = quantized_gated_predicted_conv
    operator = "QuantizedGatedPredictedConv"
    return Case(operator, name, definition, arguments, attributes, CONSTANTS, level=level)


CASES = [
    _exact_case("one pixel", 1, 1, 1, 1, 1, 1, 1),
    _exact_case("gated by its own features", 3, 5, 9, 4, 7, 13, 7, alpha=0.5),
    _exact_case("gated by h", 1, 21, 8, 6, None, 9, 35),
    _exact_case("gated by h, quantized otherwise", 1, 8, 19, 6, None, 9, 35, gate_h_zero_point=100),
    _exact_case("many parts", 2, 33, 34, 32, None, 40, 70),
]
CASES += [
    _case(*shape, g)
    for shape in [(1, 1, 1, 1), (1, 3, 7, 1), (2, 5, 6, 8), (3, 17, 5, 11), (1, 2, 3, 70)]
    for g in (None, 5)
]

_GOOD = _exact_case("good", 1, 3, 5, 4, None, 6, 7)
REFUSED = [
    (_GOOD, arguments, attributes, sentence)
    for arguments, attributes, sentence in [
        ({"weight": int8(3, 27, 4, 3, 3)}, {}, "weight must be [C*k*k, J, p, p] with k = 3 and p = 1, got"),
        ({"mix": int8(7, 5, 4, 1, 1)}, {}, "mix must be [O, C, 1, 1] = [?, 3, 1, 1], got [5, 4, 1, 1]"),
        ({"gate_weight": int8(7, 5, 3, 1, 1)}, {}, "gate_weight must be [O, G, 1, 1] = [5, 4, 1, 1], got"),
        ({"mix_bias": floats(8, 4)}, {}, "mix_bias must be [O] = [5], got [4]"),
        ({"residual": floats(8, 1, 5, 6, 1)}, {}, "residual must be [1, 1, 1, 1] or [N, O, H, W] = "),
        ({}, {"mix_scale": [0.1] * 4}, "mix_scale must have one number for each of 5 channels, got 4"),
        ({}, {"gate_weight_scale": None}, "gate_weight_scale must have one number for each of 5 channels"),
        ({}, {"mix_in_scale": 0.0}, "mix_in_scale must be a positive number, got 0.0"),
        ({}, {"gate_h_zero_point": -1}, "gate_h_zero_point must be a whole number from 0 to 255, got -1"),
    ]
]
