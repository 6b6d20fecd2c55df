"""``layoutrt train-segmenter``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from layoutrt.cli.config_options import given_values, takes_options_of
from layoutrt.cli.options import torch_device
from layoutrt.cli.run_options import RUN, CheckpointEvery, StopAfter, TrainingDevice, Workers
from layoutrt.errors import LayoutRTError, require
from layoutrt.train.config_fields import field_values
from layoutrt.train.segmenter.config import SegmenterTrainingConfig


@takes_options_of(SegmenterTrainingConfig)
def train_segmenter(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints and log.")],
    *,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in --out with its own options.", rich_help_panel=RUN),
    ] = False,
    workers: Workers = 0,
    checkpoint_every: CheckpointEvery = 500,
    device: TrainingDevice = "auto",
    stop_after: StopAfter = None,
    **options: Any,
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
    from layoutrt.train.segmenter.training import SEGMENTER_FILE

    if not resume and options["data"] is None:
        raise LayoutRTError("--data is missing; give a folder of images and labels")
    if resume:
        if not (out / STATE_FILE).is_file():
            raise LayoutRTError(f"{out} holds no run to resume; check --out, or start one without --resume")
        own = SegmenterTrainingConfig(**load_tensors(out / STATE_FILE, "segmenter-training")[1]["config"])
        config = replace(own, **given_values(context, SegmenterTrainingConfig))
    else:
        config = SegmenterTrainingConfig(**field_values(SegmenterTrainingConfig, options))
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
