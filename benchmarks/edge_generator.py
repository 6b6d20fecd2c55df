"""The shipped edge generator: frames a second, labels in to RGB out, and how its cost grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.candidates import Cost, compare
from benchmarks.rows import Row, more_is_better
from layoutrt.drive import Drive
from layoutrt.layouts import label_set
from layoutrt.models import DEFAULT_GENERATOR, resolve_model
from layoutrt.runtime.session import Session

SIZE = (192, 256)
SEGMENTER = "camvid-seg"
SIDES = (128, 256, 512, 1024)


class Growth(NamedTuple):
    """Cost of one image."""

    side: int
    """Height and width in pixels."""
    threads: int
    ms: float
    peak_mb: float


def edge_rows(folder: Path, rounds: int, threads: int = 2) -> Iterator[Row]:
    """Frames a second of the shipped models, in float32 and with 8-bit convolutions.

    The generators stand beside the float file in ONNX Runtime alone, which then uses the bodies of our
    operators, and each 8-bit model beside its float one.

    Args:
        folder: folder to write the models to.
        rounds: runs of each.
        threads: number of threads of each candidate.
    """
    fp32, int8 = (str(resolve_model(name)) for name in (DEFAULT_GENERATOR, f"{DEFAULT_GENERATOR}-int8"))
    inputs = _inputs(folder, SIZE)
    specs: dict[str, dict[str, Any]] = {
        "bodies": {"kind": "onnxruntime", "model": fp32, "inputs": inputs, "operators": False},
        "FP32": {"kind": "native", "model": fp32, "inputs": inputs},
        "INT8": {"kind": "native", "model": int8, "inputs": inputs},
    }
    costs = compare(specs, threads, rounds, warm_up_runs=3, iterations_per_round=5)
    bodies = 1e3 / costs["bodies"].ms
    for what, target in (("FP32", "ours >= 60"), ("INT8", "ours >= 120")):
        name = f"{DEFAULT_GENERATOR} {what}, 192x256 / FP32 function bodies in ONNX Runtime"
        yield more_is_better(name, 1e3 / costs[what].ms, bodies, "frames/s", target)
    yield _int8_row(DEFAULT_GENERATOR, costs)
    frame = {"inputs": _frame(folder, SIZE)}
    specs = {
        what: {"kind": "native", "model": str(resolve_model(name))} | frame
        for what, name in (("FP32", SEGMENTER), ("INT8", f"{SEGMENTER}-int8"))
    }
    yield _int8_row(SEGMENTER, compare(specs, threads, rounds, warm_up_runs=3, iterations_per_round=5))


def _int8_row(name: str, costs: dict[str, Cost]) -> Row:
    fp32, int8 = (1e3 / costs[what].ms for what in ("FP32", "INT8"))
    return more_is_better(f"{name}-int8, 192x256 / {name}", int8, fp32, "frames/s", "ratio > 1")


def growth(folder: Path, rounds: int) -> list[Growth]:
    """Time and memory of square images, with 1 and 2 threads, each in a process of its own."""
    model = str(resolve_model(DEFAULT_GENERATOR))
    found = []
    for threads in (1, 2):
        for side in SIDES:
            spec = {"kind": "native", "model": model, "inputs": _inputs(folder, (side, side))}
            cost = compare({"ours": spec}, threads, rounds, iterations_per_round=5)["ours"]
            found.append(Growth(side, threads, cost.ms, cost.peak_mb))
    return found


def _frame(folder: Path, size: tuple[int, int]) -> str:
    """A camera's frame: the generator's own picture of a layout."""
    path = folder / f"frame_{size[0]}x{size[1]}.npz"
    with Session(resolve_model(DEFAULT_GENERATOR)) as session:
        np.savez(path, frame=session.run(**np.load(_inputs(folder, size)))["image"])
    return str(path)


def _inputs(folder: Path, size: tuple[int, int]) -> str:
    path = folder / f"labels_{size[0]}x{size[1]}.npz"
    labels: NDArray[np.uint8] = Drive(label_set("camvid"), *size).frame(10)[None]
    np.savez(path, labels=labels)
    return str(path)
