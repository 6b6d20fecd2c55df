"""``layoutrt sensitivity``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.calibrate import (
    Data,
    Frames,
    Method,
    Model,
    Percentile,
    Recalibrate,
    Segmenter,
    TableFile,
)
from layoutrt.cli.options import Threads


def sensitivity(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder to write sensitivity.json and sensitivity.svg to.")],
    eval_frames: Annotated[
        int, typer.Option(min=1, help="Number of frames that each layer is evaluated on.")
    ] = 8,
    rows: Annotated[int, typer.Option(min=1, help="Number of layers to print.")] = 12,
    segmenter: Segmenter = None,
    method: Method = "minmax",
    percentile: Percentile = 99.99,
    frames: Frames = 64,
    table: TableFile = None,
    recalibrate: Recalibrate = False,
    threads: Threads = None,
) -> None:
    """Find the layers that 8 bits hurt: quantize each alone and rank them by the error of the output.

    `layoutrt calibrate --budget` does the same to choose what stays in float; `--keep` takes the names.

    Examples:

    `layoutrt sensitivity camvid-edge --data camvid/train --out out/sensitivity`

    `layoutrt sensitivity camvid-seg --data camvid/train --out out/sensitivity --eval-frames 16`
    """
    from rich.console import Console
    from rich.progress import track

    from layoutrt.calib.sensitivity import as_table, rank_model

    ranking = rank_model(
        model,
        data,
        out,
        eval_frames=eval_frames,
        segmenter=segmenter,
        method=method,
        percentile=percentile,
        frames=frames,
        table=table,
        recalibrate=recalibrate,
        threads=threads,
        track=lambda layers: track(layers, "each layer alone", transient=True),
    )
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(as_table(ranking, rows))
    for path in ranking.files:
        console.print(f"wrote {path}", soft_wrap=True)
