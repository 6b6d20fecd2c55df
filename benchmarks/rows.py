"""Results of a benchmark: rows of a table, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from rich.table import Table

from layoutrt.files import replacing
from layoutrt.report.console_table import console_table
from layoutrt.runtime.doctor.report import processor


@dataclass(frozen=True)
class Row:
    """One comparison."""

    name: str
    ours: float
    theirs: float
    unit: str
    """Unit of ``ours`` and ``theirs``."""
    ratio: float
    """Factor by which ours is better, whether more or less of the unit is better."""
    target: str
    """The target, such as ``"ratio >= 3"``; "" for none."""


def less_is_better(name: str, ours: float, theirs: float, unit: str, target: str = "") -> Row:
    """A row of times or sizes."""
    return Row(name, ours, theirs, unit, theirs / ours, target)


def more_is_better(name: str, ours: float, theirs: float, unit: str, target: str = "") -> Row:
    """A row of rates."""
    return Row(name, ours, theirs, unit, ours / theirs, target)


def machine() -> str:
    """The machine and the ONNX Runtime that the figures are of."""
    return f"{processor()}, ONNX Runtime {metadata.version('onnxruntime')}"


def table(title: str, rows: Iterable[Row]) -> Table:
    """The rows for a terminal."""
    shown = console_table(title, ["ours / theirs"], ["ours", "theirs", "unit", "ratio", "target"], wrap=True)
    for row in rows:
        shown.add_row(
            row.name, figure(row.ours), figure(row.theirs), row.unit, f"{row.ratio:.2f}x", row.target
        )
    return shown


def write_json(path: str | Path, rows: Iterable[Row], measured_on: str = "") -> None:
    """Write ``{"machine": …, "rows": [{"name", "ours", "theirs", "unit", "ratio", "target"}]}``.

    Args:
        path: path of the file.
        rows: measured rows.
        measured_on: the machine; `machine` by default.
    """
    with replacing(path) as temporary:
        content = {"machine": measured_on or machine(), "rows": [asdict(row) for row in rows]}
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def line(row: Row) -> str:
    """The row as one line of text."""
    target = f"  ({row.target})" if row.target else ""
    return f"{row.name}: {figure(row.ours)} / {figure(row.theirs)} {row.unit}, {row.ratio:.2f}x{target}"


def figure(value: float) -> str:
    """Three digits, or whole numbers with separators."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
