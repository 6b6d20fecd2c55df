"""`QuantizedPredictedConv`."""

from __future__ import annotations

import numpy as np

from tests.operators.case import Case, affine, floats, int8, whole
from tests.operators.cases.predicted_conv import predicted_conv


def quantize(value: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """The nearest level; the quotient is one of float32, as in ONNX's QuantizeLinear."""
    steps = np.rint(value.astype(np.float32) / np.float32(scale))
    return np.clip(steps, -zero_point, 255 - zero_point) * np.float64(np.float32(scale))


def dequantize(weight: np.ndarray, scales: list[float]) -> np.ndarray:
    """int8 ``[O, ...]`` with a scale for each of as many parts of its rows as there are scales."""
    by_row = np.repeat(np.float32(scales).astype(np.float64), weight.shape[0] // len(scales))
    return weight * by_row[:, None, None, None]


def quantized_predicted_conv(
    x: np.ndarray,
    h: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    h_scale: float,
    h_zero_point: int,
    weight_scale: list[float],
    **norm: np.ndarray,
) -> np.ndarray:
    h = quantize(h, h_scale, h_zero_point)
    return predicted_conv(x, h, dequantize(weight, weight_scale), bias, **norm)


def _case(*sizes: int, zero_point: int, norm: bool, constants: tuple[str, ...] = ("weight", "bias")) -> Case:
    n, c, height, width, j, p = sizes
    arguments = {
        "x": floats(1, n, c, height, width),
        "h": floats(2, n, j, height, width),
        "weight": int8(3, c * 9, j, p, p),
        "bias": floats(4, c * 9),
    } | affine(c, norm)
    scales = [0.002 * (i % 7 + 1) for i in range(c)]
    attributes = {"h_scale": 0.013, "h_zero_point": zero_point, "weight_scale": scales}
    name = f"{n}x{c}x{height}x{width} j{j} p{p} zero point {zero_point}{' affine' * norm}"
    name += " weights are inputs" * (not constants)
    return Case("QuantizedPredictedConv", name, quantized_predicted_conv, arguments, attributes, constants)


def _exact(p: int) -> Case:
    """Whole numbers and steps that are powers of two: every float of the computation is exact."""
    arguments = {
        "x": whole(1, 1, 3, 9, 40),
        # Beyond both ends of the levels, and half-way between two.
        "h": np.random.default_rng(2).integers(-700, 700, (1, 7, 9, 40)).astype(np.float32) / 4,
        "weight": int8(3, 27, 7, p, p),
        "bias": whole(4, 27),
    }
    arguments["weight"][:9] = -128
    return Case(
        "QuantizedPredictedConv",
        f"exact p{p}",
        quantized_predicted_conv,
        arguments,
        {"h_scale": 0.5, "h_zero_point": 128, "weight_scale": [1.0, 0.5, 2.0]},
        ("weight", "bias"),
        exact=True,
    )


CASES = [
    _case(*sizes, zero_point=zero_point, norm=norm)
    for *sizes, zero_point in [
        (1, 1, 1, 1, 1, 1, 0),
        (1, 1, 1, 1, 1, 3, 255),
        (1, 3, 1, 50, 5, 3, 128),
        (1, 3, 7, 1, 6, 1, 120),
        (2, 2, 29, 1, 3, 3, 7),
        (2, 5, 6, 8, 6, 1, 120),
        (2, 5, 6, 8, 6, 3, 120),
        (3, 17, 5, 11, 6, 1, 120),
        (3, 17, 5, 11, 6, 3, 120),
        (1, 2, 3, 70, 6, 1, 120),
        (1, 2, 3, 70, 6, 3, 120),
        (3, 5, 7, 9, 4, 1, 128),
        (1, 4, 33, 100, 8, 3, 0),
        (1, 4, 33, 100, 9, 1, 100),
        (1, 2, 4, 1100, 3, 3, 255),
        (1, 1, 10, 150, 512, 1, 60),
        (1, 70, 4, 4, 2, 3, 60),
        (1, 2, 20, 600, 130, 3, 100),
    ]
    for norm in (False, True)
]
CASES += [_case(1, 4, 33, 100, 8, 3, zero_point=0, norm=True, constants=()), _exact(1), _exact(3)]

_GOOD = _case(1, 2, 4, 4, 8, 3, zero_point=3, norm=False)
_H = _GOOD.arguments["h"]
REFUSED = [
    (_GOOD, arguments, attributes, sentence)
    for arguments, attributes, sentence in [
        ({"weight": int8(3, 18, 8, 5, 5)}, {}, "weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3"),
        ({"weight": int8(3, 18, 3641, 3, 3)}, {}, "J*p*p must be at most 32768, got weight [18, 3641, 3, 3]"),
        ({"h": _H[:, :7]}, {}, "weight must be [C*k*k, J, p, p] = [18, 7, 3, 3], got [18, 8, 3, 3]"),
        ({"h": _H[:, :, :3]}, {}, "h must be [N, J, H, W] = [1, ?, 4, 4], got [1, 8, 3, 4]"),
        ({"bias": floats(4, 9)}, {}, "bias must be [C*k*k] = [18], got [9]"),
        ({"scale": floats(5, 3), "shift": floats(6, 2)}, {}, "scale must be [C] = [2], got [3]"),
        ({}, {"weight_scale": [0.1]}, "weight_scale must have one number for each of 2 channels, got 1"),
        ({}, {"weight_scale": [0.1, 0.0]}, "weight_scale must be positive numbers, but one of them is 0.0"),
        ({}, {"h_scale": -1.0}, "h_scale must be a positive number, got -1.0"),
        ({}, {"h_scale": None}, "h_scale must be a positive number, but is missing"),
        ({}, {"h_zero_point": 256}, "h_zero_point must be a whole number from 0 to 255, got 256"),
        ({}, {"h_zero_point": None}, "h_zero_point must be a whole number from 0 to 255, but is missing"),
    ]
]
