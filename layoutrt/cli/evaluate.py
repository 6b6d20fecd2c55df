"""``layoutrt evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import Size, Threads, size_option


def evaluate(
    model: Annotated[str, typer.Argument(help="Generator checkpoint, exported model or shipped name.")],
    data: Annotated[Path, typer.Option(help="Data set with a validation split.")],
    dataset: Annotated[
        str, typer.Option(help="auto, cityscapes, ade20k, coco-stuff, camvid or folders.")
    ] = "auto",
    segmenter: Annotated[
        str, typer.Option(help="Segmenter checkpoint or shipped name, of the model's label set.")
    ] = "camvid-seg",
    features: Annotated[
        str,
        typer.Option(
            help="Of the Fréchet distance: segmenter, or inception:PATH with the weights of the FID "
            "reference (pytorch-fid's pt_inception-2015-12-05 format). Only the latter is called FID."
        ),
    ] = "segmenter",
    size: Annotated[Size | None, size_option("Size of the evaluation; the model's own by default.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=2, help="Layouts to use, evenly spread; all by default.")
    ] = None,
    samples_per_layout: Annotated[
        int, typer.Option(min=1, help="Images of each layout for the diversity, where there is a latent.")
    ] = 4,
    batch: Annotated[
        int, typer.Option(min=1, help="Layouts rendered at once; a multiple of an exported model's batch.")
    ] = 4,
    json: Annotated[Path | None, typer.Option(help="File to write the result to.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="JPEG or PNG to write: layouts, real and synthesized images.")
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

    from rich.console import Console

    from layoutrt.export.evaluation.evaluate import evaluate

    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
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
        progress=console.is_terminal,
    )
    console.print(evaluation.tables())
    if evaluation.diversity.reason:
        console.print(f"no diversity: {evaluation.diversity.reason}")
    console.print(f"segmenter  {evaluation.segmenter.name}\nbackend    {evaluation.model.backend}")
    for path in (json, sheet):
        if path:
            console.print(f"wrote      {path}")
