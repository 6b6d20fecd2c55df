"""Expected results of each operator, in float64, and how far a kernel may be from it.

A kernel is anything that can be called as ``run(op, arrays) -> y``, such as `launchers.Launchers.run`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from layoutrt.operators.torch import layout_conv, predicted_conv, quantized_predicted_conv
from layoutrt.operators.torch import spatially_varying_conv as svc

Run = Callable[[str, dict[str, Any]], np.ndarray]

ROUNDING = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float16): 2.0**-11}
SUBNORMAL = {np.dtype(np.float32): 0.0, np.dtype(np.float16): 2.0**-25}


@dataclass(frozen=True)
class Case:
    """An operator's arguments."""

    name: str
    op: str
    arrays: dict[str, Any]
    multiprocessors: int = 4
    """Number of multiprocessors to divide the work for, where it is not a real one."""


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array).astype(np.float64))


def _features(arrays: dict[str, Any]) -> torch.Tensor:
    """``h`` as float64 ``[N, J, H, W]``."""
    h = arrays["h"]
    if arrays.get("layout") == "nhwc8":
        h = h[..., : arrays["weight"].shape[3]].transpose(0, 3, 1, 2)
    elif arrays.get("layout") == "nchw32":
        n, blocks, height, width, _ = h.shape
        h = h.transpose(0, 1, 4, 2, 3).reshape(n, blocks * 32, height, width)
        h = h[:, : arrays["weight"].shape[3]]
    scale = float(np.float32(arrays["h_scale"])) if h.dtype == np.int8 else 1.0
    return _tensor(h) * scale


def oracle(op: str, arrays: dict[str, Any], *, magnitude: bool = False) -> np.ndarray:
    """The operator's reference in float64; with ``magnitude`` of the absolute values of all terms."""
    names = ("x", "w", "table", "bias", "scale", "shift")
    tensors = {name: _tensor(arrays[name]) for name in names if name in arrays}
    if magnitude:
        tensors = {name: value.abs() for name, value in tensors.items()}
    if op == "SpatiallyVaryingConv":
        return svc.reference(**tensors).numpy()
    if op == "LayoutConv":
        labels = torch.from_numpy(arrays["labels"].astype(np.int64))
        return layout_conv.reference(labels, **tensors, stride=arrays["stride"]).numpy()
    h, weight = _features(arrays), _tensor(arrays["weight"].transpose(0, 3, 1, 2))
    if op == "PredictedConv":
        if magnitude:
            h, weight = h.abs(), weight.abs()
        return predicted_conv.reference(h=h, weight=weight, **tensors).numpy()
    quantization = {"h_scale": float(arrays["h_scale"]), "h_zero_point": 128}
    scales = [float(value) for value in arrays["weight_scale"]]
    if magnitude:
        h, weight = quantized_predicted_conv.quantize(h, **_named(quantization)).abs(), weight.abs()
        weight *= torch.tensor(scales, dtype=torch.float64).repeat_interleave(9)[:, None, None, None]
        return predicted_conv.reference(h=h, weight=weight, **tensors).numpy()
    return quantized_predicted_conv.reference(
        h=h, weight=weight, weight_scale=scales, **quantization, **tensors
    ).numpy()


def _named(quantization: dict[str, Any]) -> dict[str, Any]:
    return {"scale": quantization["h_scale"], "zero_point": quantization["h_zero_point"]}


def terms(op: str, arrays: dict[str, Any]) -> int:
    """Roundings in float32 on the way from an argument to a sum, at most."""
    if op == "SpatiallyVaryingConv":
        return arrays["w"].shape[1] // arrays["x"].shape[1] + 1
    if op == "LayoutConv":
        return arrays["table"].shape[1] + 1
    own = 3 if op == "QuantizedPredictedConv" else int(np.prod(arrays["weight"].shape[1:]))
    return own + 9 + 3


def _levels(y: np.ndarray, expected: np.ndarray, arrays: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """A quantized result in the operator's order, dequantized, and what it can hold of what is expected."""
    assert y.dtype == np.int8
    scale = float(np.float32(arrays["y_scale"]))
    if arrays["y_order"] == "nchw32":
        y = y.transpose(0, 1, 4, 2, 3).reshape(expected.shape)
    return y * scale, expected.clip(-128 * scale, 127 * scale)


def compare(case: Case, run: Run) -> None:
    """Runs the kernel and compares it with the oracle.

    The result may differ by its own rounding, and by one rounding in float32 for each addition on the way,
    relative to the sum of the absolute values of what was added. That counts double, because tensor cores cut
    sums off where others round.
    """
    y = run(case.op, case.arrays)
    expected = oracle(case.op, case.arrays)
    if case.arrays.get("y_scale"):
        y, expected = _levels(y, expected, case.arrays)
        allowed = np.full(expected.shape, case.arrays["y_scale"] * (0.5 + 2.0**-20))
    else:
        allowed = ROUNDING[y.dtype] * np.abs(expected) + SUBNORMAL[y.dtype]
    assert y.shape == expected.shape
    allowed += 2 * terms(case.op, case.arrays) * 2.0**-24 * oracle(case.op, case.arrays, magnitude=True)
    # Not a number is never within what is allowed.
    wrong = ~(np.abs(y.astype(np.float64) - expected) <= allowed)
    if wrong.any():
        at = tuple(int(i[0]) for i in np.nonzero(wrong))
        raise AssertionError(
            f"{case.name}: {wrong.sum()} of {wrong.size} differ, first at {at}: {y[at]} for {expected[at]}, "
            f"allowed {allowed[at]:.2e}"
        )
