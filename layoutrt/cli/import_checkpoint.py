"""``layoutrt import-checkpoint``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from layoutrt.cli.options import Size, size_option


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="Published generator checkpoint (.pth).")],
    out: Annotated[Path, typer.Option(help="Checkpoint to write (.safetensors).")],
    num_classes: Annotated[
        int | None, typer.Option(help='Number of classes, "don\'t care" not counted.')
    ] = None,
    dont_care: Annotated[
        bool, typer.Option("--dont-care", help='One more channel means "don\'t care".')
    ] = False,
    instances: Annotated[
        bool, typer.Option("--instances", help="The last channel holds the edges of instances.")
    ] = False,
    size: Annotated[Size | None, size_option("Training size, which the checkpoint does not hold.")] = None,
    label_set: Annotated[str | None, typer.Option(help="Label set: a shipped name or a .toml file.")] = None,
) -> None:
    """Turn a published CC-FPSE generator into a checkpoint of layoutrt.

    Width, pyramid depth, latent and channels are read off the tensors and checked against the options.
    A pickle that holds code is refused.

    Example: `layoutrt import-checkpoint latest_net_G.pth --out G.safetensors --dont-care --instances`
    """
    from layoutrt.errors import require

    require("torch", extra="train", purpose="layoutrt import-checkpoint")

    from rich.console import Console

    from layoutrt.train.import_checkpoint import import_checkpoint

    config = import_checkpoint(
        file,
        out,
        num_classes=num_classes,
        dont_care=dont_care,
        instances=instances,
        size=size,
        label_set=label_set,
    )
    console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
    for name, value in config.to_dict().items():
        console.print(f"{name.replace('_', ' '):<18} {value}")
    console.print(f"wrote {out}")
