"""``layoutrt evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import (
    CHECKPOINT_FORMS,
    Json,
    Size,
    Threads,
    report_console,
    size_option,
    tell_written,
)


def evaluate(
    model: Annotated[str, typer.Argument(help=f"Generator: {CHECKPOINT_FORMS}.")],
    data: Annotated[
        Path,
        typer.Option(help="Data set, whose validation split is taken, or a split with images/ and labels/."),
    ],
    dataset: Annotated[
        str, typer.Option(help="Kind of data set: auto, cityscapes, ade20k, coco-stuff, camvid or folders.")
    ] = "auto",
    segmenter: Annotated[
        str,
        typer.Option(
            help="Segmenter of the model's label set: a shipped name, a checkpoint or the folder of its run."
        ),
    ] = "camvid-seg",
    features: Annotated[
        str,
        typer.Option(
            help="Features of the Fréchet distance: segmenter, or inception:PATH with the weights of the FID "
            "reference (pytorch-fid's pt_inception-2015-12-05 format). Only the latter is called FID."
        ),
    ] = "segmenter",
    size: Annotated[Size | None, size_option("Size of the evaluation; the model's own by default.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="Largest number of layouts, evenly spread; all by default.")
    ] = None,
    samples_per_layout: Annotated[
        int,
        typer.Option(
            min=1, help="Number of images of each layout for the diversity, where there is a latent."
        ),
    ] = 4,
    batch: Annotated[
        int,
        typer.Option(
            min=1, help="Number of layouts rendered at once; a multiple of an exported model's batch."
        ),
    ] = 4,
    json: Json = None,
    sheet: Annotated[
        Path | None, typer.Option(help="JPEG or PNG file to write: layouts, real and synthesized images.")
    ] = None,
    threads: Threads = None,
) -> None:
    """Measure a generator on the validation split of a data set.

    A segmenter labels the synthesized images: mean IoU and pixel accuracy say how much of the layout it finds
    again, beside what it finds in the real images, the ceiling. A Fréchet distance compares the features of
    synthesized and real images. Models with a latent are measured for diversity as well. The same files give
    the same numbers.

    Examples:

    `layoutrt evaluate camvid-edge --data camvid --sheet sheet.jpg`

    `layoutrt evaluate generator.safetensors --data camvid --size 192x256 --json result.json`

    `layoutrt evaluate model.onnx --data cityscapes --segmenter seg.safetensors --features inception:fid.pth`
    """
    from layoutrt.errors import require

    require("torch", extra="train", purpose="layoutrt evaluate")

    from layoutrt.export.evaluation.evaluate import evaluate

    console = report_console(json, highlight=False, soft_wrap=True)
    evaluation = evaluate(
        model,
        data,
        dataset=dataset,
        segmenter=segmenter,
        features=features,
        size=size,
        limit=limit,
        samples_per_layout=samples_per_layout,
        batch=batch,
        threads=threads,
        json_file=json,
        sheet=sheet,
        progress=console.is_terminal and not console.quiet,
    )
    console.print(evaluation.tables())
    if evaluation.diversity.reason:
        console.print(f"no diversity: {evaluation.diversity.reason}")
    console.print(f"segmenter  {evaluation.segmenter.name}\nbackend    {evaluation.model.backend}")
    tell_written(console, json, sheet, label=f"{'wrote':10}")
