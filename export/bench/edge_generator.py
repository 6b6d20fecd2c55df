"""The shipped edge generator: frames a second, labels in to RGB out, and how its cost grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from layoutrt.calib.calibrate import calibrate
from layoutrt.drive import Drive
from layoutrt.export.bench.contestants import compare
from layoutrt.export.bench.rows import Row, more_is_better
from layoutrt.layouts import label_set
from layoutrt.models import DEFAULT_GENERATOR, resolve_model

SIZE = (192, 256)
CALIBRATION_FRAMES = 32
SIDES = (128, 256, 512, 1024)


class Growth(NamedTuple):
    """Cost of one image."""

    side: int
    """Height and width in pixels."""
    threads: int
    ms: float
    peak_mb: float


def edge_rows(folder: Path, rounds: int, threads: int = 2) -> Iterator[Row]:
    """Frames a second in float32 and with 8-bit convolutions, beside the same file in ONNX Runtime alone,
    which then uses the bodies of our operators.

    Args:
        folder: for the models.
        rounds: runs of each.
        threads: of each.
    """
    fp32 = resolve_model(DEFAULT_GENERATOR)
    int8 = folder / "edge.int8.onnx"
    calibrate(fp32, f"drive:{CALIBRATION_FRAMES * 10}", int8, frames=CALIBRATION_FRAMES)
    inputs = _inputs(folder, SIZE)
    specs: dict[str, dict[str, Any]] = {
        "bodies": {"kind": "onnxruntime", "model": str(fp32), "inputs": inputs, "operators": False},
        "FP32": {"kind": "native", "model": str(fp32), "inputs": inputs},
        "INT8": {"kind": "native", "model": str(int8), "inputs": inputs},
    }
    costs = compare(specs, threads, rounds, lead=3, streak=5)
    bodies = 1e3 / costs["bodies"].ms
    for what, target in (("FP32", "ours >= 60"), ("INT8", "ours >= 120")):
        name = f"{DEFAULT_GENERATOR} {what}, 192x256 / FP32 function bodies in ONNX Runtime"
        yield more_is_better(name, 1e3 / costs[what].ms, bodies, "frames/s", target)


def growth(folder: Path, rounds: int) -> list[Growth]:
    """Time and memory of square images, with 1 and 2 threads, each in a process of its own."""
    model = str(resolve_model(DEFAULT_GENERATOR))
    found = []
    for threads in (1, 2):
        for side in SIDES:
            spec = {"kind": "native", "model": model, "inputs": _inputs(folder, (side, side))}
            cost = compare({"ours": spec}, threads, rounds, streak=5)["ours"]
            found.append(Growth(side, threads, cost.ms, cost.peak_mb))
    return found


def _inputs(folder: Path, size: tuple[int, int]) -> str:
    path = folder / f"labels_{size[0]}x{size[1]}.npz"
    labels: NDArray[np.uint8] = Drive(label_set("camvid"), *size).frame(10)[None]
    np.savez(path, labels=labels)
    return str(path)
