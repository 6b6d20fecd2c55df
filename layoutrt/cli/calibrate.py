"""``layoutrt calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import Threads


def calibrate(
    model: Annotated[str, typer.Argument(help="A shipped model or an ONNX file in float32.")],
    data: Annotated[
        str,
        typer.Option(
            help="Layouts for a generator (a folder, a file or drive:N), images for a segmenter (a folder)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="ONNX file to write.")],
    frames: Annotated[
        int, typer.Option(min=1, help="Inputs to use at most, evenly spread over the data.")
    ] = 64,
    keep: Annotated[
        list[str] | None, typer.Option(help="Name of a node to keep in float; may be repeated.")
    ] = None,
    threads: Threads = None,
) -> None:
    """Write a model with 8-bit convolutions: measure the ranges of its activations on representative data.

    The file runs in ONNX Runtime on the CPU; the native operators multiply 8-bit integers too.

    Examples:

    `layoutrt calibrate camvid-edge --data drive:200 --out edge.int8.onnx`

    `layoutrt calibrate model.onnx --data camvid/train/labels --frames 100 --out model.int8.onnx`
    """
    from rich.console import Console

    from layoutrt.calib.calibrate import calibrate

    done = calibrate(model, data, out, frames=frames, keep=keep or (), threads=threads)
    console = Console(highlight=False, soft_wrap=True)
    operators = ", ".join(f"{count} {name}" for name, count in sorted(done.operators.items()) if count)
    console.print(f"8 bits: {operators}")
    if done.float_convolutions:
        console.print(f"float: {done.float_convolutions} Conv")
    console.print(f"wrote {done.path}")
