"""``layoutrt doctor``."""

from __future__ import annotations

import typer

from layoutrt.cli.options import Json


def doctor(json: Json = False) -> None:
    """Say what this machine can do, what is missing, and what to do about it.

    Runs the native operators once and checks their results. Exits with 1 if something is broken that
    everything needs; a missing GPU is no fault.

    Example: `layoutrt doctor --json`
    """
    import json as json_module

    from rich.console import Console

    from layoutrt.runtime.doctor.checks import as_json, as_table, is_sound
    from layoutrt.runtime.doctor.report import examine

    checks = examine()
    if json:
        print(json_module.dumps(as_json(checks), indent=2))
    else:
        Console(markup=False, emoji=False).print(as_table(checks))
    if not is_sound(checks):
        raise typer.Exit(1)
