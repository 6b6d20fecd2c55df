"""``layoutrt verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import Size, Threads, size_option


def verify(
    reference: Annotated[
        str, typer.Argument(metavar="A", help="The reference: checkpoint, ONNX file, engine or shipped name.")
    ],
    candidate: Annotated[str, typer.Argument(metavar="B", help="What is compared with it.")],
    data: Annotated[
        str,
        typer.Option(
            help="Layouts for generators (a folder, a file or drive:N), images for segmenters (a folder), or "
            "the folder of a data set's split, with labels/ and images/ in it."
        ),
    ],
    frames: Annotated[
        int | None, typer.Option(min=1, help="Inputs to use at most, evenly spread; all by default.")
    ] = None,
    size: Annotated[Size | None, size_option("Size to compare at; the models' own by default.")] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help="What labels generators' images: exported model, checkpoint or shipped name; camvid-seg "
            "where it fits the models."
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File to write the result to.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Page to write, with the worst frames side by side.")
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Find where two ONNX graphs part, layer by layer.")
    ] = False,
    min_psnr: Annotated[float, typer.Option(help="Generators: PSNR over all frames, in dB.")] = 30,
    max_shift: Annotated[
        float, typer.Option(min=0, help="Generators: color shift of a channel, in gray levels.")
    ] = 1,
    max_miou_drop: Annotated[float, typer.Option(help="Mean IoU that may be lost, in points of 0.01.")] = 1,
    min_agreement: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Share of equal labels; 0.97 for segmenters, unchecked for generators."
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Compare two models on the same inputs and exit with 1 if B is too far from A.

    Generators: PSNR, SSIM, color shift, errors, and whether a segmenter sees the same in both images.
    Segmenters: how many labels are equal, and the mean IoU of both where the data have labels. The files are
    written whether B passes or not.

    Examples:

    `layoutrt verify generator.safetensors model.onnx --data drive:20`

    `layoutrt verify model.onnx model.int8.onnx --data camvid/val --html report.html --layers`

    `layoutrt verify camvid-seg seg.int8.onnx --data camvid/val --min-agreement 0.95 --json result.json`
    """
    from rich.console import Console

    from layoutrt.errors import LayoutRTError
    from layoutrt.export.verification.checks import Thresholds
    from layoutrt.export.verification.verify import verify

    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    found = verify(
        reference,
        candidate,
        data,
        frames=frames,
        size=size,
        segmenter=segmenter,
        thresholds=Thresholds(min_psnr, max_shift, max_miou_drop, min_agreement),
        layers=layers,
        threads=threads,
        json_file=json,
        html=html,
        progress=console.is_terminal,
    )
    console.print(found.tables())
    if found.segmentation_reason:
        console.print(f"no segmentation: {found.segmentation_reason}")
    for path in (json, html):
        if path:
            console.print(f"wrote {path}")
    if not found.passed:
        raise LayoutRTError(found.failure)
