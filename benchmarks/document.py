"""Puts the benchmark's tables into its document: each below its heading, with machine, versions and date."""

from __future__ import annotations

import datetime
import platform
import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from benchmarks.rows import Row, figure, machine
from layoutrt import __version__
from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing

HEADINGS = {
    "edge": "The shipped generator",
    "operators": "Operators",
    "c-api": "C API",
    "video": "Video, 192x256",
    "live": "Live video",
    "paper": "The paper's COCO-Stuff generator",
    "gpu": "On a GPU",
}
"""Start of the heading of each section."""
_TABLE = "| ours / theirs |"
_STAMP = "Measured "


def stamp(rounds: int) -> str:
    """Date, machine and versions of a measurement."""
    versions = [f"{name} {_version(name)}" for name in ("torch", "numpy")]
    return (
        f"{_STAMP}{datetime.date.today().isoformat()} on {machine()}; layoutrt {__version__}, "
        f"Python {platform.python_version()}, {', '.join(versions)}; medians of {rounds} runs."
    )


def write_sections(path: Path, sections: Mapping[str, Iterable[Row]], measured: str) -> None:
    """Replace the tables of some sections; what is written around them stays.

    Args:
        path: the document; each section's heading starts as `HEADINGS` says, and has one table.
        sections: rows by section.
        measured: the line above each table, from `stamp`; it replaces an earlier one.

    Raises:
        LayoutRTError: the document, a heading or its table is not there.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LayoutRTError(f"cannot read {path}: {error.strerror}; run this in the repository") from None
    for section, rows in sections.items():
        text = _replace(text, HEADINGS[section], markdown(rows), measured, path)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| ours / theirs | ours | theirs | unit | ratio | target |", "|---|---|---|---|---|---|"]
    for row in rows:
        cells = (row.name, figure(row.ours), figure(row.theirs), row.unit, f"{row.ratio:.2f}x", row.target)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _replace(text: str, heading: str, table: str, measured: str, path: Path) -> str:
    parts = re.split(r"(?m)^(?=## )", text)
    for place, part in enumerate(parts):
        if not part.startswith(f"## {heading}"):
            continue
        lines = part.split("\n")
        start = next((i for i, line in enumerate(lines) if line.startswith(_TABLE)), None)
        if start is None:
            break
        end = next((i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines))
        before = lines[:start]
        while before and not before[-1]:
            before.pop()
        if before and before[-1].startswith(_STAMP):
            before.pop()
            while before and not before[-1]:
                before.pop()
        parts[place] = "\n".join([*before, "", measured, "", *table.split("\n"), *lines[end:]])
        return "".join(parts)
    raise LayoutRTError(f"{path} has no table below a heading '## {heading}'; put one there")


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
