"""``layoutrt train-segmenter``."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import Size, is_given, size_option, torch_device
from layoutrt.errors import LayoutRTError, require


def train_segmenter(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints and log.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of a data set, with its training and validation split.")
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="auto, cityscapes, ade20k, coco-stuff, camvid or folders.")
    ] = "auto",
    label_set: Annotated[str, typer.Option(help="Shipped name or .toml file.")] = "camvid",
    size: Annotated[Size | None, size_option("Size of the crops; 192x256 by default.")] = None,
    enlarge: Annotated[float, typer.Option(help="Largest random enlargement before cropping.")] = 2.0,
    network_width: Annotated[int, typer.Option("--width", help="Channels at half size.")] = 24,
    steps: Annotated[int, typer.Option()] = 5000,
    batch_size: Annotated[int, typer.Option("--batch")] = 8,
    learning_rate: Annotated[float, typer.Option(help="Peak.")] = 2e-3,
    color: Annotated[float, typer.Option(help="Largest relative change of colors.")] = 0.3,
    ema_decay: Annotated[float, typer.Option("--ema", help="Of the averaged network.")] = 0.998,
    seed: Annotated[int, typer.Option()] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that load data.")] = 0,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="In steps.")] = 500,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    stop_after: Annotated[
        int | None, typer.Option(min=1, help="Leave early, with a checkpoint, at this step.")
    ] = None,
) -> None:
    """Train a segmenter: frames in, label maps out.

    Examples:

    `layoutrt train-segmenter --data camvid --out runs/segmenter --steps 5000`

    `layoutrt export runs/segmenter/segmenter.safetensors --out segmenter.onnx --size dynamic`
    """
    require("torch", extra="train", purpose="layoutrt train-segmenter")
    from rich.console import Console

    from layoutrt.train.checkpoint import STATE_FILE, load_tensors
    from layoutrt.train.segmenter.run import train_segmenter
    from layoutrt.train.segmenter.training import SEGMENTER_FILE, SegmenterTrainingConfig

    if not resume and data is None:
        raise LayoutRTError("--data is missing; give a folder of images and labels")
    names = {field.name for field in fields(SegmenterTrainingConfig)}
    options = {name: value for name, value in context.params.items() if name in names}
    options |= {"data": str(data or "")}
    height, width = size or (SegmenterTrainingConfig.height, SegmenterTrainingConfig.width)
    options |= {"height": height, "width": width}
    if resume:
        if not (out / STATE_FILE).is_file():
            raise LayoutRTError(f"{out} holds no run to resume; check --out, or start one without --resume")
        own = SegmenterTrainingConfig(**load_tensors(out / STATE_FILE, "segmenter-training")[1]["config"])
        sources = {"height": "size", "width": "size"}
        given = {name: value for name, value in options.items() if is_given(context, sources.get(name, name))}
        config = replace(own, **given)
    else:
        config = SegmenterTrainingConfig(**options)
    score = train_segmenter(
        config,
        out,
        resume=resume,
        workers=workers,
        checkpoint_every=checkpoint_every,
        device=torch_device(device),
        stop_after=stop_after,
    )
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    if score:
        console.print(f"validation: mIoU {score.mean_iou:.3f}, pixel accuracy {score.pixel_accuracy:.3f}")
    console.print(f"wrote {out / SEGMENTER_FILE}")
