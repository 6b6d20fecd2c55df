"""Inputs that reach every edge of the CUDA kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.cuda.oracles import Case, compare

__all__ = ["ALL", "LAYOUT", "PREDICTED", "QUANTIZED", "SPATIALLY_VARYING", "Case", "compare", "random_cases"]


class _Random:
    """Arrays of a seed."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def normal(self, *shape: int, dtype: Any = np.float32, scale: float = 1.0) -> np.ndarray:
        return (scale * self.generator.standard_normal(shape)).astype(dtype)

    def integers(self, low: int, high: int, *shape: int, dtype: Any) -> np.ndarray:
        return self.generator.integers(low, high, shape).astype(dtype)

    def affine(self, channels: int, dtype: Any) -> dict[str, np.ndarray]:
        # Far from 0, so that a shift outside of the image would show.
        shift = (1.0 + self.normal(channels, scale=0.2)).astype(dtype)
        return {"scale": self.normal(channels, dtype=dtype), "shift": shift}


def spatially_varying_case(
    seed: int, n: int, channels: int, height: int, width: int, k: int, dtype: Any, affine: bool
) -> Case:
    random = _Random(seed)
    arrays: dict[str, Any] = {
        "x": random.normal(n, channels, height, width, dtype=dtype),
        "w": random.normal(n, channels * k * k, height, width, dtype=dtype),
    }
    if affine:
        arrays |= random.affine(channels, dtype)
    name = f"svc-{n}x{channels}x{height}x{width}-k{k}-{np.dtype(dtype).name}" + "-affine" * affine
    return Case(name, "SpatiallyVaryingConv", arrays)


def layout_case(
    seed: int,
    n: int,
    channels: int,
    height: int,
    width: int,
    k: int,
    stride: int,
    dtype: Any,
    labels: Any,
    *,
    uniform: bool = False,
) -> Case:
    random = _Random(seed)
    count = 5
    low = -2 if np.dtype(labels).kind == "i" else 0
    values = random.integers(low, count + 2, n, height, width, dtype=labels)
    if low:
        # Far from a label, and such that an offset from them would overflow.
        values.flat[::7], values.flat[3::11] = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    if uniform:
        # Wide regions, as layouts have: neighbors share what they look up.
        values = np.repeat(values[:, :, : -(-width // 8)], 8, 2)[:, :, :width]
        values[:, :, 1:7] = values[:, :1, :1]
    arrays = {
        "labels": values,
        "table": random.normal(count, k * k, channels, dtype=dtype),
        "bias": random.normal(channels, dtype=dtype),
        "stride": stride,
    }
    types = f"{np.dtype(labels).name}-{np.dtype(dtype).name}"
    return Case(f"layout-{n}x{channels}x{height}x{width}-k{k}-s{stride}-{types}", "LayoutConv", arrays)


def predicted_case(
    seed: int,
    n: int,
    channels: int,
    features: int,
    height: int,
    width: int,
    p: int,
    dtype: Any,
    affine: bool,
    *,
    h_dtype: Any = None,
    quantized: bool = False,
    layout: str = "nchw",
    y_layout: str = "",
    multiprocessors: int = 4,
) -> Case:
    random = _Random(seed)
    h_dtype = np.dtype(h_dtype or dtype)
    shape = (n, features, height, width)
    arrays: dict[str, Any] = {
        "x": random.normal(n, channels, height, width, dtype=dtype),
        "bias": random.normal(channels * 9, dtype=dtype),
        "layout": layout,
    }
    if h_dtype == np.int8:
        arrays["h"] = random.integers(-128, 128, *shape, dtype=np.int8)
    else:
        arrays["h"] = random.normal(*shape, dtype=h_dtype)
    if quantized:
        arrays["weight"] = random.integers(-127, 128, channels * 9, p, p, features, dtype=np.int8)
        arrays["weight_scale"] = np.abs(random.normal(channels, scale=0.01)) + np.float32(1e-3)
        # Some features lie beyond the levels, and some right between two of them.
        arrays["h_scale"] = float(np.float32(0.0123))
        if h_dtype != np.int8:
            ties = random.integers(-200, 200, *shape, dtype=np.float32) + 0.5
            tied = random.generator.random(shape) < 0.2
            arrays["h"] = np.where(tied, ties * arrays["h_scale"], arrays["h"]).astype(h_dtype)
    else:
        scale = (features * p * p) ** -0.5
        arrays["weight"] = random.normal(channels * 9, p, p, features, dtype=dtype, scale=scale)
    if layout == "nhwc8":
        # What pads the features is anything.
        padded = np.full((n, height, width, -(-features // 8) * 8), np.nan, h_dtype)
        padded[..., :features] = arrays["h"].transpose(0, 2, 3, 1)
        arrays["h"] = padded
    elif layout == "nchw32":
        blocks = -(-features // 32)
        padded = np.full((n, blocks * 32, height, width), 77, h_dtype)
        padded[:, :features] = arrays["h"]
        by_block = padded.reshape(n, blocks, 32, height, width).transpose(0, 1, 3, 4, 2)
        arrays["h"] = np.ascontiguousarray(by_block)
    if affine:
        arrays |= random.affine(channels, dtype)
    op = "QuantizedPredictedConv" if quantized else "PredictedConv"
    name = f"{op}-{n}x{channels}x{height}x{width}-j{features}-p{p}-{np.dtype(dtype).name}-h{h_dtype.name}"
    name += f"-{layout}" + "-affine" * affine + f"-{multiprocessors}"
    if y_layout:
        # Some results lie beyond the levels.
        arrays |= {"y_scale": float(np.float32(0.031)), "y_order": y_layout}
        name += f"-y{y_layout}"
    return Case(name, op, arrays, multiprocessors)


HALF, SINGLE = np.float16, np.float32

SPATIALLY_VARYING = [
    spatially_varying_case(1, 1, 3, 9, 16, 3, HALF, True),  # vectors
    spatially_varying_case(2, 2, 5, 7, 13, 3, HALF, True),  # no vectors
    spatially_varying_case(3, 1, 2, 5, 296, 3, HALF, False),  # two tiles in a row, the second cut
    spatially_varying_case(4, 2, 3, 37, 8, 3, HALF, True),  # tiles of a column
    spatially_varying_case(5, 1, 41, 8, 8, 3, HALF, True),  # several planes in a block, the last block cut
    spatially_varying_case(6, 2, 3, 6, 12, 3, SINGLE, True),
    spatially_varying_case(7, 1, 2, 5, 15, 3, SINGLE, False),
    spatially_varying_case(8, 1, 2, 3, 140, 3, SINGLE, True),
    *(spatially_varying_case(9 + k, 1, 2, 9, 16, k, HALF, True) for k in (1, 5, 7)),
    *(spatially_varying_case(19 + k, 2, 2, 9, 20, k, SINGLE, True) for k in (1, 5, 7)),
    *(spatially_varying_case(29 + k, 1, 3, 4, 11, k, HALF, True) for k in (1, 5, 7)),
    *(spatially_varying_case(39 + k, 1, 3, 2, 5, k, SINGLE, False) for k in (1, 5, 7)),
    spatially_varying_case(50, 1, 300, 1, 1, 7, SINGLE, True),
    spatially_varying_case(51, 1, 40, 1, 8, 7, HALF, True),  # as much shared memory as there can be
]

LAYOUT = [
    layout_case(1, 1, 16, 9, 20, 3, 1, HALF, np.uint8),
    layout_case(2, 2, 8, 9, 40, 3, 1, HALF, np.uint8, uniform=True),
    layout_case(3, 2, 13, 7, 15, 3, 1, HALF, np.int32),
    layout_case(4, 1, 24, 6, 150, 3, 1, SINGLE, np.int32, uniform=True),
    layout_case(5, 1, 16, 11, 24, 3, 2, HALF, np.uint8),
    layout_case(6, 2, 5, 11, 25, 3, 2, SINGLE, np.uint8, uniform=True),
    layout_case(7, 1, 520, 2, 4, 3, 1, HALF, np.int32),  # several groups of channels at a time
    *(layout_case(10 + k, 1, 16, 7, 12, k, 1, HALF, np.uint8) for k in (1, 5, 7)),
    *(layout_case(20 + k, 2, 9, 7, 13, k, 2, SINGLE, np.int32) for k in (1, 5, 7)),
    layout_case(30, 1, 8, 1, 1, 3, 2, HALF, np.uint8),
]

PREDICTED = [
    # Tensor cores. One multiprocessor gets large tiles, where not too much of them lies outside.
    predicted_case(1, 1, 16, 16, 16, 16, 1, HALF, False, multiprocessors=1),
    predicted_case(2, 1, 16, 16, 8, 32, 3, HALF, False, multiprocessors=1),
    predicted_case(3, 2, 21, 40, 15, 30, 3, HALF, True, multiprocessors=1),
    predicted_case(4, 2, 21, 40, 15, 29, 1, HALF, True, multiprocessors=1),  # features stay
    predicted_case(5, 1, 17, 7, 15, 27, 3, HALF, True, multiprocessors=1),  # rows of odd sizes
    predicted_case(6, 1, 3, 1, 3, 5, 1, HALF, True),
    predicted_case(7, 1, 17, 136, 8, 16, 3, HALF, True, multiprocessors=1),  # features in blocks
    predicted_case(8, 1, 20, 72, 5, 9, 3, HALF, True),
    predicted_case(9, 2, 33, 16, 8, 8, 1, HALF, False),
    predicted_case(10, 1, 5, 33, 7, 6, 3, HALF, True),
    predicted_case(11, 1, 18, 20, 15, 30, 3, HALF, True, layout="nhwc8", multiprocessors=1),
    predicted_case(12, 1, 16, 64, 4, 8, 1, HALF, False, layout="nhwc8"),
    # Features in blocks where others would stay for several groups; blocks of the grid that share pixels.
    predicted_case(13, 2, 21, 136, 15, 29, 1, HALF, True, multiprocessors=1),
    predicted_case(14, 2, 17, 24, 16, 16, 1, HALF, True, multiprocessors=1),
    # Float.
    predicted_case(20, 2, 9, 17, 9, 18, 3, SINGLE, True),
    predicted_case(21, 1, 8, 16, 8, 16, 1, SINGLE, False),
    predicted_case(22, 1, 3, 1, 5, 7, 3, SINGLE, True),
    predicted_case(23, 2, 17, 9, 3, 21, 1, SINGLE, True),
]

QUANTIZED = [
    predicted_case(1, 1, 16, 32, 16, 16, 1, HALF, False, quantized=True, multiprocessors=1),
    predicted_case(2, 2, 21, 48, 15, 30, 3, HALF, True, quantized=True, multiprocessors=1),
    predicted_case(3, 1, 17, 7, 15, 27, 3, HALF, True, quantized=True, multiprocessors=1),
    predicted_case(4, 1, 5, 1, 3, 5, 3, SINGLE, True, quantized=True),
    predicted_case(5, 2, 20, 40, 15, 30, 3, SINGLE, True, quantized=True, multiprocessors=1),
    predicted_case(6, 2, 33, 64, 15, 29, 1, SINGLE, True, quantized=True, multiprocessors=1),
    predicted_case(7, 1, 16, 144, 5, 9, 3, HALF, True, quantized=True),
    predicted_case(8, 1, 19, 64, 8, 16, 3, HALF, True, quantized=True, h_dtype=np.int8, multiprocessors=1),
    predicted_case(9, 1, 7, 33, 6, 7, 3, SINGLE, True, quantized=True, h_dtype=np.int8),
    predicted_case(10, 1, 18, 20, 15, 30, 3, HALF, True, quantized=True, layout="nhwc8", multiprocessors=1),
    predicted_case(11, 2, 16, 24, 4, 8, 1, HALF, False, quantized=True, layout="nhwc8"),
    predicted_case(12, 1, 17, 272, 8, 16, 1, HALF, True, quantized=True, multiprocessors=1),
    predicted_case(
        14,
        2,
        18,
        45,
        15,
        30,
        3,
        HALF,
        True,
        quantized=True,
        h_dtype=np.int8,
        layout="nchw32",
        multiprocessors=1,
    ),
    predicted_case(16, 2, 19, 40, 15, 29, 3, HALF, True, quantized=True, y_layout="nchw", multiprocessors=1),
    predicted_case(17, 1, 5, 16, 3, 6, 1, SINGLE, False, quantized=True, y_layout="nchw"),
    predicted_case(
        18,
        2,
        64,
        32,
        15,
        29,
        1,
        HALF,
        True,
        quantized=True,
        h_dtype=np.int8,
        layout="nchw32",
        y_layout="nchw32",
        multiprocessors=1,
    ),
    predicted_case(19, 1, 32, 24, 5, 7, 3, SINGLE, True, quantized=True, y_layout="nchw32"),
    predicted_case(15, 1, 7, 96, 6, 9, 1, SINGLE, False, quantized=True, h_dtype=np.int8, layout="nchw32"),
    predicted_case(13, 1, 9, 24, 5, 7, 1, SINGLE, True, quantized=True),
]

ALL = [*SPATIALLY_VARYING, *LAYOUT, *PREDICTED, *QUANTIZED]


def random_cases(seed: int, count: int) -> list[Case]:
    """Cases of all operators with shapes that nobody chose."""
    generator = np.random.default_rng(seed)

    def draw(*values: Any) -> Any:
        return values[int(generator.integers(len(values)))]

    def number(most: int) -> int:
        return int(generator.integers(1, most + 1))

    result = []
    for index in range(count):
        own, n, affine, dtype = 1000 * seed + index, number(2), draw(False, True), draw(HALF, SINGLE)
        kind = index % 4
        if kind == 0:
            shape = (n, number(9), number(20), draw(8, 16, 24, number(40)))
            result.append(spatially_varying_case(own, *shape, draw(1, 3, 5, 7), dtype, affine))
        elif kind == 1:
            shape = (n, draw(8, 16, 32, number(40)), number(20), draw(8, 16, 24, number(70)))
            labels, uniform = draw(np.uint8, np.int32), draw(False, True)
            k, stride = draw(1, 3, 3, 5, 7), draw(1, 2)
            result.append(layout_case(own, *shape, k, stride, dtype, labels, uniform=uniform))
        else:
            shape = (n, number(36), draw(16, 32, number(70)), number(18), number(20))
            h_dtype = draw(dtype, np.int8) if kind == 3 else dtype
            other = {np.dtype(HALF): "nhwc8", np.dtype(np.int8): "nchw32"}.get(np.dtype(h_dtype), "nchw")
            result.append(
                predicted_case(
                    own, *shape, draw(1, 3), dtype, affine, h_dtype=h_dtype, quantized=kind == 3,
                    layout=draw("nchw", other), multiprocessors=draw(1, 4),
                )
            )  # fmt: skip
    return result
