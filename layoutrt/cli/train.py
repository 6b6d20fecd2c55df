"""``layoutrt train``."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from layoutrt.cli.config_options import given_values, takes_options_of
from layoutrt.cli.options import torch_device
from layoutrt.cli.run_options import RUN, CheckpointEvery, StopAfter, TrainingDevice, Workers
from layoutrt.errors import LayoutRTError, require
from layoutrt.train.config import TrainingConfig
from layoutrt.train.config_fields import field_values


@takes_options_of(TrainingConfig)
def train(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, samples, TensorBoard.")],
    *,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in --out with its own options.", rich_help_panel=RUN),
    ] = False,
    init: Annotated[
        Path | None, typer.Option(help="Another run whose networks to start from.", rich_help_panel=RUN)
    ] = None,
    workers: Workers = 0,
    checkpoint_every: CheckpointEvery = 500,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(min=0.0, help="Minutes after which to write one as well.", rich_help_panel=RUN),
    ] = 5.0,
    keep: Annotated[
        int,
        typer.Option(
            min=0,
            help="Checkpoints of every --checkpoint-every steps to keep besides the last.",
            rich_help_panel=RUN,
        ),
    ] = 0,
    sample_every: Annotated[
        int, typer.Option(min=1, help="Steps between two sheets of samples.", rich_help_panel=RUN)
    ] = 500,
    device: TrainingDevice = "auto",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the networks with torch.compile.", rich_help_panel=RUN)
    ] = False,
    checkpoint_blocks: Annotated[
        bool,
        typer.Option(
            "--checkpoint-blocks",
            help="Save memory: compute the generator's blocks again in backward.",
            rich_help_panel=RUN,
        ),
    ] = False,
    stop_after: StopAfter = None,
    **options: Any,
) -> None:
    """Train a generator on a folder of images and label maps.

    Defaults are the paper's. Ctrl-C and SIGTERM stop a run with a checkpoint; one that was stopped, or
    killed, continues exactly with `--resume`. Under `torchrun`, processes share each step, and restarted ones
    continue by themselves.

    Examples:

    `layoutrt train --data camvid --out runs/camvid --size 192x256 --steps 20000 --width 16`

    `layoutrt train --out runs/camvid --resume`

    `layoutrt train --data camvid --out runs/edge --architecture edge --width 16 --teacher runs/camvid`

    `torchrun --nproc-per-node 4 --max-restarts 3 -m layoutrt train --data camvid --out runs/four`
    """
    if resume and init:
        raise LayoutRTError("--resume and --init exclude each other; a resumed run has its networks already")
    if not resume and options["data"] is None:
        raise LayoutRTError("--data is missing; give a folder of images and labels")
    require("torch", extra="train", purpose="layoutrt train")
    if resume:
        # Options on the command line may repeat the run's own values; the trainer refuses others.
        config = replace(_run_configuration(out), **given_values(context, TrainingConfig))
    else:
        config = TrainingConfig(**field_values(TrainingConfig, options))

    from rich.console import Console

    from layoutrt.train.loop.run import train
    from layoutrt.train.scaling.distributed import from_environment

    checkpoint = train(
        config,
        out,
        resume=resume,
        init=init,
        workers=workers,
        checkpoint_every=checkpoint_every,
        checkpoint_minutes=checkpoint_minutes,
        keep=keep,
        sample_every=sample_every,
        device=torch_device(device),
        stop_after=stop_after,
        compile=compile,
        recompute=checkpoint_blocks,
    )
    if from_environment().first:
        Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(f"wrote {checkpoint}")


def _run_configuration(run: Path) -> TrainingConfig:
    from layoutrt.train.checkpoint import STATE_FILE, load_tensors

    if not (run / STATE_FILE).is_file():
        raise LayoutRTError(f"{run} holds no run to resume; check --out, or start one without --resume")
    stored = load_tensors(run / STATE_FILE, "training")[1]["config"]
    unknown = sorted(set(stored) - {field.name for field in fields(TrainingConfig)})
    if unknown:
        raise LayoutRTError(f"{run} has unknown options {', '.join(unknown)}; upgrade layoutrt to resume it")
    return TrainingConfig.stored(stored)
