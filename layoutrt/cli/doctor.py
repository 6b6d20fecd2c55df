"""``layoutrt doctor``."""

from __future__ import annotations

import typer

from layoutrt.cli.options import Json, report_console, tell_written


def doctor(json: Json = None) -> None:
    """Say what this machine can do, what is missing, and what to do about it.

    Runs the native operators once and checks their results. Exits with 1 if something is broken that
    everything needs; a missing GPU is not a fault.

    Example: `layoutrt doctor --json -`
    """
    from layoutrt.files import write_json
    from layoutrt.runtime.doctor.checks import as_json, as_table, is_sound
    from layoutrt.runtime.doctor.report import examine

    checks = examine()
    console = report_console(json)
    console.print(as_table(checks))
    if json:
        write_json(json, as_json(checks))
        tell_written(console, json)
    if not is_sound(checks):
        raise typer.Exit(1)
