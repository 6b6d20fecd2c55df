"""``layoutrt calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layoutrt.cli.options import LAYOUT_FORMS, Threads

if TYPE_CHECKING:
    from layoutrt.calib.calibrate import Calibration

_TABLE = "Calibration table"
_LAYERS = "What stays in float"

Method = Annotated[
    str,
    typer.Option(
        help="How a tensor's range is found: minmax (all values), percentile or entropy (without outliers).",
        rich_help_panel=_TABLE,
    ),
]
Percentile = Annotated[
    float, typer.Option(help="Share of the values inside the range, in %.", rich_help_panel=_TABLE)
]
Frames = Annotated[
    int,
    typer.Option(min=1, help="Largest number of inputs to measure, evenly spread.", rich_help_panel=_TABLE),
]
TableFile = Annotated[
    Path | None,
    typer.Option(
        help="File that keeps measurements; NAME.calibration.json beside what is written by default.",
        rich_help_panel=_TABLE,
    ),
]
Recalibrate = Annotated[
    bool, typer.Option("--recalibrate", help="Measure again and replace the table.", rich_help_panel=_TABLE)
]
Segmenter = Annotated[
    str | None,
    typer.Option(
        help="Segmenter that labels a generator's images; camvid-seg by default, if it knows the labels."
    ),
]
Data = Annotated[
    str,
    typer.Option(
        help=f"Layouts for a generator ({LAYOUT_FORMS}); images for a segmenter, in the same forms without "
        "drive:N. A data set means its training split."
    ),
]
Model = Annotated[str, typer.Argument(help="Model in float32: a shipped name or an ONNX file.")]


def calibrate(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(help="ONNX file to write.")],
    precision: Annotated[str, typer.Option(help="Precision to write: int8 or fp16.")] = "int8",
    target: Annotated[
        str,
        typer.Option(
            help="Runtime that the file is for: ort (ONNX Runtime) or tensorrt; both share one table."
        ),
    ] = "ort",
    segmenter: Segmenter = None,
    method: Method = "minmax",
    percentile: Percentile = 99.99,
    frames: Frames = 64,
    table: TableFile = None,
    recalibrate: Recalibrate = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Layer (ONNX node) to keep in float; may be repeated.", rich_help_panel=_LAYERS),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="psnr:DB|miou:POINTS",
            help="Keep the worst layers in float until the accuracy drop is within this.",
            rich_help_panel=_LAYERS,
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Write a model with 8-bit convolutions or in FP16, and say what that does to its output.

    Ranges of activations are measured on representative data and kept in a calibration table, which serves
    both targets and later runs; a table of another model or of other data is refused. Channels are equalized
    first. The accuracy drop is measured on frames of the data and written into the file
    (`layoutrt info` shows it).

    Examples:

    `layoutrt calibrate camvid-edge --data camvid/train --out edge.int8.onnx --method percentile`

    `layoutrt calibrate model.onnx --data drive:100 --out model.int8.onnx --budget psnr:33`

    `layoutrt calibrate model.onnx --data drive:100 --out model.trt.onnx --target tensorrt`

    `layoutrt calibrate model.onnx --data drive:100 --out model.fp16.onnx --precision fp16`
    """
    from rich.progress import track

    from layoutrt.calib.calibrate import calibrate
    from layoutrt.calib.quality.budget import parse_budget

    done = calibrate(
        model,
        data,
        out,
        method=method,
        percentile=percentile,
        frames=frames,
        target=target,
        precision=precision,
        keep=keep or (),
        budget=parse_budget(budget) if budget else None,
        segmenter=segmenter,
        table=table,
        recalibrate=recalibrate,
        threads=threads,
        track=lambda layers: track(layers, "each layer alone", transient=True),
    )
    _print(done)


def _print(done: Calibration) -> None:
    from rich.console import Console

    from layoutrt.calib.calibrate import FEW_FRAMES

    if done.frames < FEW_FRAMES:
        few = "1 frame says" if done.frames == 1 else f"{done.frames} frames say"
        typer.echo(f"warning: {few} little of the ranges; give {FEW_FRAMES} or more", err=True)
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    if done.operators:
        operators = ", ".join(f"{count} {name}" for name, count in sorted(done.operators.items()))
        console.print(f"8 bits   {operators}")
    if done.float_layers:
        console.print(f"float    {', '.join(done.float_layers)}")
    for node, reason in done.fp32_fallback.items():
        console.print(f"float32  {node}: {reason}")
    console.print(f"accuracy {done.accuracy_drop}")
    if done.speed:
        console.print(f"speed    {done.speed}")
    console.print(f"table    {done.table} ({'reused' if done.table_reused else 'measured'})")
    console.print(f"wrote    {done.path} ({done.size_bytes / 1e6:.2f} MB)")
