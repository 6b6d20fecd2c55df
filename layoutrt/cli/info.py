"""``layoutrt info``."""

from __future__ import annotations

from typing import Annotated

import typer

from layoutrt.cli.options import Json


def info(
    file: Annotated[
        str,
        typer.Argument(
            help="ONNX model, engine, checkpoint, label set (.toml), run folder or shipped model."
        ),
    ],
    json: Json = False,
) -> None:
    """Print what a file of layoutrt is: its kind, label set, inputs, outputs and origin.

    Example: `layoutrt info camvid-edge`
    """
    import json as json_module

    from rich.console import Console

    from layoutrt.artifacts.info import as_table, describe

    description = describe(file)
    if json:
        print(json_module.dumps(description, indent=2))
    else:
        Console(markup=False, emoji=False).print(as_table(description))
