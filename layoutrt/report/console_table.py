"""Tables for the terminal, all of one look."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table


def console_table(
    title: str,
    left: Iterable[str] = (),
    right: Iterable[str] = (),
    caption: str | None = None,
    *,
    wrap: bool = False,
) -> Table:
    """A table without rows.

    Args:
        title: above it.
        left: heads of the first columns, of words.
        right: heads of the columns after them, of numbers.
        caption: below it.
        wrap: break long texts of the first columns into lines where the terminal is narrow.
    """
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title or None,
        title_justify="left",
        title_style="bold",
        caption=caption,
        caption_justify="left",
    )
    for head in left:
        table.add_column(head, no_wrap=not wrap)
    for head in right:
        table.add_column(head, justify="right")
    return table
