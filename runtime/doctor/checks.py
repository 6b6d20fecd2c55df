"""Checks of ``layoutrt doctor``: the state of each part of the machine and installation, with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from layoutrt.errors import LayoutRTError

OK, MISSING, UNFIT, BROKEN = "ok", "missing", "unfit", "broken"

_STYLES = {OK: "green", MISSING: "yellow", UNFIT: "yellow", BROKEN: "bold red"}


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: name of the checked part.
        state: ``OK``, ``MISSING`` (an optional part), ``UNFIT`` (an optional part that does not fit the
            others) or ``BROKEN`` (a required part).
        found: description of what was found.
        remedy: what to do if the state is not ``OK``.
    """

    name: str
    state: str
    found: str
    remedy: str = ""


def is_sound(checks: list[Check]) -> bool:
    """True if no required part is broken."""
    return all(check.state != BROKEN for check in checks)


def required(name: str, look: Callable[[], str], remedy: str) -> Check:
    """Check a required part; ``look`` describes it, or raises LayoutRTError if it is missing or broken."""
    try:
        return Check(name, OK, look())
    except LayoutRTError as error:
        return Check(name, BROKEN, str(error), remedy)


def as_table(checks: list[Check]) -> Table:
    """The checks as a table."""
    table = Table(box=box.SIMPLE_HEAD, title="layoutrt doctor", title_justify="left", title_style="bold")
    table.add_column("part", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for check in checks:
        style = _STYLES[check.state]
        # As plain text: brackets would be taken for markup.
        table.add_row(check.name, Text(check.state, style), Text(check.found), Text(check.remedy))
    return table


def as_json(checks: list[Check]) -> dict[str, Any]:
    """The checks as plain values for JSON."""
    return {"sound": is_sound(checks), "checks": [asdict(check) for check in checks]}
