"""Horizontal bars as an SVG file that stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from layoutrt.report.canvas import bar, series_class, series_style, svg, text

_ROW, _LABEL, _BAR, _VALUE, _TOP, _MARGIN = 22, 330, 380, 170, 60, 20
_STYLE = (
    series_style()
    + """rect { fill: var(--own); }
text { font: 13px system-ui, sans-serif; fill: #1f2937; }
.t { font-size: 17px; font-weight: 600; } .s { fill: #4b5563; font-size: 12px; } .b { fill: #ffffff; }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb; } .s { fill: #9ca3af; } .b { fill: #111827; } }
"""
)


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
    parts = [
        f'<rect class="b" width="{width}" height="{height}"/>',
        text(_MARGIN, 30, title, kind="t"),
        *(text(_MARGIN, 52 + 18 * index, line, kind="s") for index, line in enumerate(subtitles)),
    ]
    for index, each in enumerate(bars):
        y = top + _ROW * index
        length = max(1.0, _BAR * each.length / longest)
        parts += [
            text(left - 8, y + 14, each.label, "end"),
            bar(left, y + 2, length, _ROW - 6, series_class(kinds.index(each.kind)), radius=2),
            text(left + length + 8, y + 14, each.value, kind="s"),
        ]
    x = left
    for index, kind in enumerate(kinds):
        y = height - _MARGIN
        parts += [bar(x, y - 11, 12, 12, series_class(index), radius=2), text(x + 18, y, kind, kind="s")]
        x += 36 + 7 * len(kind)
    return svg(width, height, title, parts, _STYLE) + "\n"
