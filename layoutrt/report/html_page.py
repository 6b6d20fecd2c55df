"""A page that loads nothing: it can be mailed, archived and opened offline, in light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #171a21; --soft: #565e6c; --edge: #dfe3ea;
  --accent: #2f5fd0; --area: #2f5fd01f; --good: #14713d; --good-back: #dcf3e4; --bad: #b3261e;
  --bad-back: #fbe3e1; --idle-back: #eceef2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101318; --card: #191d24; --ink: #e9ecf1; --soft: #a2abb9; --edge: #2c323c;
    --accent: #86a8ff; --area: #86a8ff22; --good: #79d9a0; --good-back: #143523; --bad: #ff9d94;
    --bad-back: #47201d; --idle-back: #262b34;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
small { font-weight: 400; color: var(--soft); font-size: inherit; }
h2 { font-size: 19px; margin: 44px 0 12px; }
p { margin: 4px 0 12px; }
.soft, figcaption, caption, th, dt { color: var(--soft); }
.tiles { display: grid; gap: 12px; margin: 26px 0; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); }
.card, .tiles div { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; }
.card { padding: 18px 20px; }
.tiles div { padding: 14px 18px; }
.tiles dt { font-size: 14px; }
.tiles dd { margin: 0; }
.tiles .number { font-size: 27px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.3; }
.columns { display: grid; gap: 12px; align-items: start; }
.columns { grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 15px; }
caption { text-align: left; padding-bottom: 8px; font-size: 14px; }
th { font-weight: 500; font-size: 14px; text-align: left; vertical-align: bottom; }
tbody th { color: var(--ink); font-size: 15px; font-weight: 400; vertical-align: top; }
td, th { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--edge); }
tbody tr:last-child > * { border-bottom: 0; }
td:last-child, th:last-child { padding-right: 0; }
.right { text-align: right; }
td { white-space: nowrap; }
td:not(.right) { white-space: normal; }
code { font: 13px/1.5 ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; min-width: 620px; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--edge); }
summary { cursor: pointer; color: var(--accent); padding: 8px 0; }
footer { margin-top: 44px; font-size: 14px; color: var(--soft); max-width: 80ch; }
@media print { body { background: none; } .card, .tiles div { break-inside: avoid; } }
"""


def html_page(title: str, body: Iterable[str], style: str = "") -> str:
    """A whole document.

    Args:
        title: as text.
        body: parts, as HTML; empty ones are left out.
        style: CSS after `STYLE`.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Nothing can be loaded, even if a name held markup.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def html_table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()
) -> str:
    """A table whose first column heads its rows.

    Args:
        caption: as text.
        heads: of the columns, as text.
        rows: cells, as HTML.
        right: columns of figures.
    """

    def cell(tag: str, place: int, content: str, scope: str = "") -> str:
        side = ' class="right"' if place in right else ""
        return f"<{tag}{scope}{side}>{content}</{tag}>"

    head = "".join(cell("th", i, escape(text), ' scope="col"') for i, text in enumerate(heads))
    lines = [
        "<tr>"
        + "".join(
            cell("td", i, text) if i else cell("th", 0, text, ' scope="row"') for i, text in enumerate(row)
        )
        + "</tr>"
        for row in rows
    ]
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def html_tiles(tiles: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: name, figure, and a few words more, all as text."""
    return (
        '<dl class="tiles">'
        + "".join(
            f'<div><dt>{escape(name)}</dt><dd class="number">{escape(value)}</dd>'
            f'<dd class="soft">{escape(more)}</dd></div>'
            for name, value, more in tiles
        )
        + "</dl>"
    )
