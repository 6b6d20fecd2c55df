"""`LayoutConv`."""

from __future__ import annotations

import numpy as np

from tests.operators.case import SHAPES, Case, floats, layout


def layout_conv(labels: np.ndarray, table: np.ndarray, bias: np.ndarray, strides: list[int]) -> np.ndarray:
    k = int(table.shape[1] ** 0.5)
    height, width = labels.shape[1:]
    nothing = table.shape[0]
    rows = np.concatenate([table, np.zeros((1, *table.shape[1:]))])
    padded = np.pad(
        np.minimum(labels.astype(int), nothing),
        ((0, 0), (k // 2, k // 2), (k // 2, k // 2)),
        constant_values=nothing,
    )
    y = sum(rows[padded[:, t // k : t // k + height, t % k : t % k + width], t] for t in range(k * k))
    return (y + bias)[:, :: strides[0], :: strides[1]].transpose(0, 3, 1, 2)


def layout_case(
    n: int, c: int, height: int, width: int, count: int, k: int, stride: int, constant: bool = False
) -> Case:
    arguments = {
        "labels": layout(3, n, height, width, count),
        "table": floats(4, count, k * k, c),
        "bias": floats(5, c),
    }
    name = f"{n}x{c}x{height}x{width} of {count} k{k} stride {stride}{' constant' * constant}"
    constants = ("table", "bias") if constant else ()
    return Case("LayoutConv", name, layout_conv, arguments, {"strides": [stride, stride]}, constants)


CASES = [
    layout_case(*shape, 7, k, stride)
    for shape in [*SHAPES, (2, 35, 70, 21)]
    for k in (1, 3, 5)
    for stride in (1, 2)
]
CASES += [
    layout_case(n, c, height, width, count, k, stride, constant)
    for n, height, width, c, count, k, constant in [
        (1, 1, 1, 1, 1, 3, True),
        (1, 1, 41, 17, 4, 3, True),
        (2, 23, 1, 64, 4, 3, True),
        (3, 19, 31, 65, 9, 3, True),
        (1, 64, 96, 130, 35, 3, True),
        (1, 64, 96, 24, 35, 3, False),
        (1, 9, 17, 5, 256, 1, True),
        (1, 14, 17, 20, 6, 5, True),
        (2, 5, 6, 33, 6, 7, True),
    ]
    for stride in (1, 2)
]
_UNKNOWN = {"labels": np.full((1, 20, 20), 7, np.uint8), "table": floats(1, 7, 9, 10), "bias": floats(2, 10)}
CASES += [
    Case(
        "LayoutConv",
        f"unknown labels leave the bias, stride {stride}",
        lambda labels, bias, strides, **_: np.broadcast_to(
            bias[:, None, None], (1, 10, 20 // strides[0], 20 // strides[1])
        ),
        _UNKNOWN,
        {"strides": [stride, stride]},
        ("table", "bias"),
        exact=True,
    )
    for stride in (1, 2)
]

_GOOD = layout_case(1, 8, 4, 4, 5, 3, 1)
_LABELS, _TABLE, _ = _GOOD.arguments.values()
REFUSED = [
    (_GOOD, {"labels": _LABELS[0]}, {}, "labels must be [N, H, W], got [4, 4]"),
    (_GOOD, {"bias": floats(1, 7)}, {}, "bias must be [C] = [8], got [7]"),
    (
        _GOOD,
        {"table": _TABLE[:, :4]},
        {},
        "table must be [L, k*k, C] with k = 1, 3, 5 or 7 and 1 to 256 labels, got [5, 4, 8]",
    ),
    (_GOOD, {}, {"strides": [1, 3]}, "strides must be [1, 1] or [2, 2], got [1, 3]"),
]
