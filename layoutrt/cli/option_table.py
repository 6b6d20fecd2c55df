"""The table of training's options in the documentation: ``python -m layoutrt.cli.option_table``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any

import typer

from layoutrt.cli import app
from layoutrt.train.config import TrainingConfig
from layoutrt.train.config_fields import limits_of, options_of
from layoutrt.train.segmenter.config import SegmenterTrainingConfig

HEAD = """# Options of training

Made by `python -m layoutrt.cli.option_table` from the fields of the configurations in `train/config.py` and
`train/segmenter/config.py`; change them there. A field is stored with the run, compared when it is resumed,
and shown by `layoutrt info RUN`; an option without one says how a run is carried out and may change from call
to call.
"""


def page() -> str:
    """The whole page, in Markdown."""
    parts = [HEAD, *_section("train", TrainingConfig), *_section("train-segmenter", SegmenterTrainingConfig)]
    return "\n".join(parts)


def _section(name: str, config: type) -> Iterator[str]:
    command: Any = typer.main.get_command(app)
    parameters = command.commands[name].params
    set_by = {option.name: option.fields for option in options_of(config)}
    own = {field.name: field for field in fields(config)}
    panels: dict[str, list[str]] = {}
    for each in parameters:
        panel = each.rich_help_panel or "General"
        panels.setdefault(panel, []).append(_row(each, [own[field] for field in set_by.get(each.name, ())]))
    yield f"## layoutrt {name}\n"
    for panel, rows in panels.items():
        yield f"### {panel}\n\n| option | default | values | meaning | field |\n|---|---|---|---|---|"
        yield "\n".join(rows) + "\n"


def _row(parameter: Any, set_fields: list[Field[Any]]) -> str:
    names = " ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = parameter.default
    if parameter.required:
        shown = "required"
    elif isinstance(default, bool):
        shown = "on" if default else "off"
    else:
        shown = "" if default in (None, "") else f"`{default}`"
    values = " and ".join(filter(None, (str(limits_of(field)) for field in set_fields)))
    # Older typer, on click, keeps it with the type.
    minimum = getattr(getattr(parameter, "type", parameter), "min", None)
    if minimum is not None:
        values = f"at least {minimum}"
    stored = ", ".join(f"`{field.name}`" for field in set_fields)
    cells = (names, shown, values, parameter.help.replace("|", "\\|"), stored)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(page(), end="")
