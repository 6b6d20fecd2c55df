"""Frames a second of a generator, and what the native operators are worth.

Run as ``python -m layoutrt.runtime.bench``. The same ONNX file runs in the native runtime, and in ONNX
Runtime alone, which then uses the bodies of the operators. Rounds take turns, so that a slow spell of the
machine meets all alike, and medians are compared.
"""

from __future__ import annotations

import argparse
import itertools
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
from layoutrt.runtime.bench_operators import operator_pairs
from layoutrt.runtime.synthesizer import Synthesizer

Render = Callable[[NDArray[np.uint8]], object]
Run = Callable[[], object]


def measure(runs: dict[str, Run], rounds: int) -> dict[str, float]:
    """Median ms of each run, over ``rounds`` turns through ``runs``; two more, unmeasured, come first."""
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 2):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
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
    console = Console(width=110)
    console.print(generator_table(resolve_model(options.model), options.rounds))
    console.print(operator_table(options.rounds))


def generator_table(model: Path, rounds: int) -> Table:
    """The whole generator, on frames of the drive."""
    table = _table("threads", "ms", "frames/s", "native is faster by")
    for threads in (1, 2):
        with Synthesizer(model, threads=threads) as synthesizer:
            height, width = synthesizer.size or synthesizer.trained_size
            drive = Drive(synthesizer.label_set, height, width)
            layouts = [drive.frame(index) for index in range(0, 80, 10)]
            names = ("native operators", "function bodies")
            renders: list[Render] = [synthesizer.render, standard_operators(model, threads)]
            # Every run renders the next layout of its own round trip.
            turns = [itertools.cycle(layouts) for _ in renders]
            times = measure(
                {
                    name: lambda render=render, turn=turn: render(next(turn))  # type: ignore[misc]
                    for name, render, turn in zip(names, renders, turns, strict=True)
                },
                rounds,
            )
        for name, ms in times.items():
            ratio = f"{ms / times[names[0]]:.2f}x" if name != names[0] else ""
            table.add_row(name, str(threads), f"{ms:.1f}", f"{1e3 / ms:.1f}", ratio)
    table.title = f"{model.stem} at {height}x{width}, medians of {rounds} interleaved rounds"
    return table


def operator_table(rounds: int) -> Table:
    """Each operator beside what it replaces, at 256x256 with 2 threads."""
    table = _table("ours, ms", "theirs, ms", "ratio")
    for pair in operator_pairs(threads=2):
        times = measure({"ours": pair.ours, "theirs": pair.theirs}, rounds)
        ratio = times["theirs"] / times["ours"]
        table.add_row(pair.name, f"{times['ours']:.2f}", f"{times['theirs']:.2f}", f"{ratio:.2f}x")
    table.title = f"operators at 256x256, 2 threads, medians of {rounds} interleaved rounds"
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    return table


if __name__ == "__main__":
    main()
