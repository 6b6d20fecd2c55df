"""Horizontal bars as an SVG file that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_ROW, _LABEL, _BAR, _VALUE, _TOP, _MARGIN = 22, 330, 380, 170, 60, 20
_COLORS = ("#2563eb", "#d97706", "#059669")
"""Of the first three kinds of bars, told apart by those who do not see red and green as well."""


class Bar(NamedTuple):
    """One row of the chart."""

    label: str
    kind: str
    """Bars of one kind have one color."""
    length: float
    """The longest fills the width."""
    value: str
    """Written at its end."""


def bar_chart(title: str, subtitles: Sequence[str], bars: Sequence[Bar]) -> str:
    """The chart, in light or dark as the reader's screen is."""
    kinds = list(dict.fromkeys(bar.kind for bar in bars))
    longest = max((bar.length for bar in bars), default=0) or 1
    width = _LABEL + _BAR + _VALUE + 2 * _MARGIN
    top = _TOP + 18 * len(subtitles)
    height = top + _ROW * len(bars) + _MARGIN + 24
    left = _MARGIN + _LABEL
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title, quote=True)}">',
        "<style>text{font:13px system-ui,sans-serif;fill:#1f2937}.t{font-size:17px;font-weight:600}"
        ".s{fill:#4b5563;font-size:12px}.b{fill:#ffffff}@media(prefers-color-scheme:dark){text{fill:#e5e7eb}"
        ".s{fill:#9ca3af}.b{fill:#111827}}</style>",
        f'<rect class="b" width="{width}" height="{height}"/>',
        f'<text class="t" x="{_MARGIN}" y="30">{escape(title)}</text>',
    ]
    for index, subtitle in enumerate(subtitles):
        lines.append(f'<text class="s" x="{_MARGIN}" y="{52 + 18 * index}">{escape(subtitle)}</text>')
    for index, bar in enumerate(bars):
        y = top + _ROW * index
        length = max(1.0, _BAR * bar.length / longest)
        color = _COLORS[kinds.index(bar.kind) % len(_COLORS)]
        lines += [
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect x="{left}" y="{y + 2}" width="{length:.1f}" height="{_ROW - 6}" rx="2" fill="{color}"/>',
            f'<text class="s" x="{left + length + 8:.1f}" y="{y + 14}">{escape(bar.value)}</text>',
        ]
    x = left
    for index, kind in enumerate(kinds):
        y = height - _MARGIN
        lines.append(
            f'<rect x="{x}" y="{y - 11}" width="12" height="12" rx="2" fill="{_COLORS[index % 3]}"/>'
            f'<text class="s" x="{x + 18}" y="{y}">{escape(kind)}</text>'
        )
        x += 36 + 7 * len(kind)
    return "\n".join([*lines, "</svg>"]) + "\n"
