"""``layoutrt verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import (
    CHECKPOINT_FORMS,
    LAYOUT_FORMS,
    Json,
    Size,
    Threads,
    report_console,
    size_option,
    tell_written,
)


def verify(
    reference: Annotated[str, typer.Argument(metavar="A", help=f"Reference: {CHECKPOINT_FORMS}.")],
    candidate: Annotated[
        str, typer.Argument(metavar="B", help="Model to compare with it, in the same forms.")
    ],
    data: Annotated[
        str,
        typer.Option(
            help=f"Layouts for generators ({LAYOUT_FORMS}); images for segmenters, in the same forms without "
            "drive:N. A data set means its validation split."
        ),
    ],
    frames: Annotated[
        int | None, typer.Option(min=1, help="Largest number of inputs, evenly spread; all by default.")
    ] = None,
    size: Annotated[Size | None, size_option("Size to compare at; the models' own by default.")] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help=f"Segmenter that labels generators' images: {CHECKPOINT_FORMS}; camvid-seg where it fits "
            "the models."
        ),
    ] = None,
    json: Json = None,
    html: Annotated[
        Path | None, typer.Option(help="HTML page to write, with the worst frames side by side.")
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Find where two ONNX graphs part, layer by layer.")
    ] = False,
    min_psnr: Annotated[
        float, typer.Option(help="Smallest PSNR over all frames, in dB, of generators.")
    ] = 30,
    max_shift: Annotated[
        float, typer.Option(min=0, help="Largest color shift of a channel, in gray levels, of generators.")
    ] = 1,
    max_miou_drop: Annotated[float, typer.Option(help="Largest loss of mean IoU, in points of 0.01.")] = 1,
    min_agreement: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Smallest share of equal labels; 0.97 for segmenters, unchecked for generators.",
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
    from layoutrt.errors import LayoutRTError
    from layoutrt.export.verification.checks import Thresholds
    from layoutrt.export.verification.verify import verify

    console = report_console(json, highlight=False, soft_wrap=True)
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
        progress=console.is_terminal and not console.quiet,
    )
    console.print(found.tables())
    if found.segmentation_reason:
        console.print(f"no segmentation: {found.segmentation_reason}")
    tell_written(console, json, html)
    if not found.passed:
        raise LayoutRTError(found.failure)
