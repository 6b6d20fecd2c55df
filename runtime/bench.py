"""Frames a second of a generator, and what the native operators are worth.

Run as ``python -m layoutrt.runtime.bench``. The same ONNX file runs in the native runtime, and in ONNX
Runtime alone, which then uses the bodies of the operators. Rounds take turns, so that a slow spell of the
machine meets all alike, and medians are compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from layoutrt.drive import Drive
from layoutrt.models import DEFAULT_GENERATOR, resolve_model
from layoutrt.runtime.synthesizer import Synthesizer

Render = Callable[[NDArray[np.uint8]], object]


def measure(renderers: dict[str, Render], layouts: list[NDArray[np.uint8]], rounds: int) -> dict[str, float]:
    """Median time in ms of each renderer, over ``rounds`` turns through ``renderers``.

    Args:
        renderers: each takes one layout.
        layouts: uint8 [H,W], used in turn.
        rounds: samples of each renderer; two more, unmeasured, come first.
    """
    samples: dict[str, list[float]] = {name: [] for name in renderers}
    for turn in range(rounds + 2):
        layout = layouts[turn % len(layouts)]
        for name, render in renderers.items():
            started = time.perf_counter()
            render(layout)
            if turn >= 2:
                samples[name].append((time.perf_counter() - started) * 1e3)
    return {name: float(np.median(times)) for name, times in samples.items()}


def standard_operators(model: Path, threads: int) -> Render:
    """The model in ONNX Runtime without our library: every operator of ours is its function body."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda labels: session.run(None, {"labels": labels[None]})


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m layoutrt.runtime.bench", description=__doc__)
    parser.add_argument(
        "--model", default=DEFAULT_GENERATOR, help="shipped model or ONNX file of camvid classes"
    )
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    model = resolve_model(options.model)
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for column in ("threads", "ms", "frames/s", "native is faster by"):
        table.add_column(column, justify="right")
    for threads in (1, 2):
        with Synthesizer(model, threads=threads) as synthesizer:
            height, width = synthesizer.size or synthesizer.trained_size
            drive = Drive(synthesizer.label_set, height, width)
            layouts = [drive.frame(index) for index in range(0, 80, 10)]
            names = ("native operators", "function bodies")
            renderers: dict[str, Render] = {
                names[0]: synthesizer.render,
                names[1]: standard_operators(model, threads),
            }
            times = measure(renderers, layouts, options.rounds)
        for name, ms in times.items():
            ratio = f"{ms / times[names[0]]:.2f}x" if name != names[0] else ""
            table.add_row(name, str(threads), f"{ms:.1f}", f"{1e3 / ms:.1f}", ratio)
    table.title = f"{model.stem} at {height}x{width}, medians of {options.rounds} interleaved rounds"
    table.title_justify = "left"
    Console().print(table)


if __name__ == "__main__":
    main()
