"""``layoutrt info``."""

from __future__ import annotations

from typing import Annotated

import typer

from layoutrt.cli.options import Json, report_console, tell_written


def info(
    file: Annotated[
        str,
        typer.Argument(
            help="Shipped name, ONNX file, engine, checkpoint, run folder or label set (.toml) to describe."
        ),
    ],
    json: Json = None,
) -> None:
    """Print what a file of layoutrt is: its kind, label set, inputs, outputs and origin.

    Example: `layoutrt info camvid-edge`
    """
    from layoutrt.artifacts.info import as_table, describe
    from layoutrt.files import check_not_inputs, write_json

    if json:
        check_not_inputs([json], [file], "--json")
    description = describe(file)
    console = report_console(json)
    console.print(as_table(description))
    if json:
        write_json(json, description)
        tell_written(console, json)
