"""What ``layoutrt doctor`` reports: one thing after the other, with what to do."""

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
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        state: ``OK``, ``MISSING`` (something optional), ``UNFIT`` (something optional that is there and does
            not fit the rest) or ``BROKEN`` (something that everything needs).
        found: what was found.
        remedy: what to do where it is not ok.
    """

    name: str
    state: str
    found: str
    remedy: str = ""


def is_sound(findings: list[Finding]) -> bool:
    """Whether everything required is there."""
    return all(finding.state != BROKEN for finding in findings)


def required(name: str, look: Callable[[], str], remedy: str) -> Finding:
    """A finding of something that everything needs; ``look`` raises LayoutRTError where it is not there."""
    try:
        return Finding(name, OK, look())
    except LayoutRTError as error:
        return Finding(name, BROKEN, str(error), remedy)


def as_table(findings: list[Finding]) -> Table:
    """The findings as a table."""
    table = Table(box=box.SIMPLE_HEAD, title="layoutrt doctor", title_justify="left", title_style="bold")
    table.add_column("what", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for finding in findings:
        style = _STYLES[finding.state]
        # As plain text: brackets would be taken for markup.
        table.add_row(finding.name, Text(finding.state, style), Text(finding.found), Text(finding.remedy))
    return table


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """The findings as plain values."""
    return {"sound": is_sound(findings), "findings": [asdict(finding) for finding in findings]}
