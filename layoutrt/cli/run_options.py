"""Options of a training run outside its configuration: how it is carried out, and on which machine."""

from __future__ import annotations

from typing import Annotated

import typer

RUN = "Run"
"""Heading of these options in ``--help``."""

Workers = Annotated[int, typer.Option(min=0, help="Processes that load data.", rich_help_panel=RUN)]

CheckpointEvery = Annotated[
    int, typer.Option(min=1, help="Steps between two checkpoints.", rich_help_panel=RUN)
]

TrainingDevice = Annotated[
    str, typer.Option(help="Device to train on: auto, cpu or cuda.", rich_help_panel=RUN)
]

StopAfter = Annotated[
    int | None,
    typer.Option(min=1, help="Step to stop at early, with a checkpoint.", rich_help_panel=RUN),
]
