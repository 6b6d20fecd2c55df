"""``layoutrt export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import parse_size


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(help="Generator or segmenter: a checkpoint (.safetensors) or the folder of its run."),
    ],
    out: Annotated[Path, typer.Option(help="ONNX file to write.")],
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW|dynamic", help="Size of the graph; the training size by default."),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Number of images of one run, where the size is fixed.")
    ] = 1,
    cache_layout: Annotated[
        bool,
        typer.Option(
            "--cache-layout",
            help="Write two files, so that one layout is read once and rendered with many latents "
            "(generators with a latent; the paper's for COCO then keeps 1.1 GB for a layout).",
        ),
    ] = False,
) -> None:
    """Export a generator (labels in, pixels out) or a segmenter (frame in, labels out) as one ONNX file.

    The file is in float32; `layoutrt calibrate` makes 8-bit and FP16 files of it. Prints the cost of the
    graph beside that of the training network exported as it is.

    Examples:

    `layoutrt export runs/camvid --out model.onnx --size 192x256`

    `layoutrt export generator.safetensors --out model.onnx --size dynamic`

    `layoutrt export coco.safetensors --out coco.onnx --cache-layout`
    """
    from layoutrt.errors import require

    dynamic = size == "dynamic"
    fixed = parse_size(size) if size and not dynamic else None
    require("torch", extra="train", purpose="layoutrt export")

    from rich.console import Console

    from layoutrt.export.onnx_export.to_onnx import export_onnx
    from layoutrt.report.console_table import console_table

    report = export_onnx(
        checkpoint,
        out,
        size=fixed,
        dynamic=dynamic,
        batch=batch,
        cache_layout=cache_layout,
    )
    height, width = report.size
    title = f"cost of one image at {height}x{width}"
    table = console_table(title, [""], ["nodes", "GFLOP", "parameters"])
    rows = {"this graph": report.cost, "straight export": report.straight}
    halves = report.halves
    if halves:
        rows |= {"once for a layout": halves.layout, "for each image of it": halves.render}
    for name, cost in rows.items():
        if cost:
            table.add_row(name, f"{cost.nodes:,}", f"{cost.flops / 1e9:.2f}", f"{cost.parameters:,}")
    console = Console(markup=False, emoji=False)
    console.print(table)
    console.print(f"wrote {report.path}", highlight=False, soft_wrap=True)
    if halves:
        console.print(
            f"wrote {halves.render_path}, to stay beside it; "
            f"a layout's tensors take {halves.cached_bytes / 1e6:.0f} MB",
            highlight=False,
            soft_wrap=True,
        )
