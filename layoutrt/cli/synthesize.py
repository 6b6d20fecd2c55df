"""``layoutrt synthesize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import LAYOUT_FORMS, MODEL_FORMS, Json, Threads, report_console, tell_written


def synthesize(
    model: Annotated[str, typer.Argument(help=f"Generator: {MODEL_FORMS}.")],
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help=f"Layouts: {LAYOUT_FORMS} (drive:N@SEED shows another town).",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the images, one PNG named as its layout.")],
    instances: Annotated[
        Path | None,
        typer.Option(help="Instance ids: a PNG of 8 or 16 bits, or a folder of such named as the layouts."),
    ] = None,
    z: Annotated[
        Path | None, typer.Option(help="Latent, .npy of floats: one row, or one for each layout.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the latent, where there is no --z.")] = 0,
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of images of each layout, of latents from so many seeds, written as NAME_SEED.png; "
            "quick for models exported with --cache-layout.",
        ),
    ] = 1,
    resize: Annotated[bool, typer.Option("--resize", help="Resize layouts to the model's size.")] = False,
    threads: Threads = None,
    json: Json = None,
) -> None:
    """Render layouts, one image for each, or one for each of several latents.

    All layouts are checked before the first image is written. Results depend on neither the number of
    threads nor the order of the inputs.

    Examples:

    `layoutrt synthesize camvid-edge drive:8 --out out/drive`

    `layoutrt synthesize camvid-edge camvid/val/labels --resize --out out/val`

    `layoutrt synthesize coco.onnx layout.png --seeds 6 --out out/variants`
    """
    from layoutrt.files import check_not_inputs, write_json
    from layoutrt.runtime.synthesize import STAGE, synthesize

    if json:
        check_not_inputs([json], [model, *inputs], "--json")
    console = report_console(json, highlight=False, soft_wrap=True)
    done = synthesize(
        model,
        inputs,
        out,
        instances=instances,
        z=z,
        seed=seed,
        seeds=seeds,
        threads=threads,
        resize=resize,
        progress=console.is_terminal and not console.quiet,
    )
    p50, p95 = (done.latencies.percentile(STAGE, percent) for percent in (50, 95))
    if json:
        report = {
            "backend": done.backend,
            "files": [str(path) for path in done.files],
            "latency_ms": {"p50": p50, "p95": p95},
        }
        write_json(json, report)
    images = "1 image" if len(done.files) == 1 else f"{len(done.files)} images"
    console.print(f"backend  {done.backend}")
    console.print(f"wrote    {images} to {out}, {p50:.1f} ms each (p95 {p95:.1f} ms)")
    tell_written(console, json, label=f"{'wrote':8}")
