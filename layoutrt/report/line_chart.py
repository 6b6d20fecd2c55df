"""A small line chart as inline SVG, which needs no script and takes its colors from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 960, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 12, 26


@dataclass(frozen=True)
class Point:
    """One value of a chart."""

    value: float
    label: str
    """Shown where the pointer rests on it."""
    marked: bool = False


def line_chart(
    points: Sequence[Point], *, title: str, unit: str, limit: float, limit_label: str, first: str, last: str
) -> str:
    """The values from left to right, with a line at the limit.

    Classes for the page's style: ``grid``, ``limit``, ``area``, ``line``, ``dot`` and ``marked``.

    Args:
        points: at least one, of finite values.
        title: what a screen reader says.
        unit: of the values.
        limit: where the line is drawn.
        limit_label: what it means.
        first: below the left end.
        last: below the right end.
    """
    values = [point.value for point in points]
    step = _step(max(*values, limit) - min(*values, limit))
    low = math.floor(min(*values, limit) / step) * step
    high = max(math.ceil(max(*values, limit) / step) * step, low + step)

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    def x(place: int) -> float:
        inner = _WIDTH - _LEFT - _RIGHT
        return _LEFT + inner * (place + 0.5) / len(points)

    right, floor = _WIDTH - _RIGHT, y(low)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
    ]
    for tick in range(round((high - low) / step) + 1):
        value = low + tick * step
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    way = " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in enumerate(values))
    parts += [
        f'<polygon class="area" points="{x(0):.1f},{floor:.1f} {way} {x(len(points) - 1):.1f},{floor:.1f}"/>',
        f'<line class="limit" x1="{_LEFT}" x2="{right}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>',
        f'<polyline class="line" points="{way}"/>',
    ]
    # Marks last, so that nothing hides them.
    for place, point in sorted(enumerate(points), key=lambda entry: entry[1].marked):
        name, radius = ("marked", 5) if point.marked else ("dot", 3)
        parts.append(
            f'<circle class="{name}" cx="{x(place):.1f}" cy="{y(point.value):.1f}" r="{radius}">'
            f"<title>{escape(point.label)}</title></circle>"
        )
    parts += [
        f'<text class="limit-label" x="{right}" y="{y(limit) - 6:.1f}" text-anchor="end">'
        f"{escape(limit_label)}</text>",
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{escape(first)}</text>',
        f'<text x="{right}" y="{_HEIGHT - 6}" text-anchor="end">{escape(last)}</text>',
        f'<text x="{_LEFT - 8}" y="{_HEIGHT - 6}" text-anchor="end">{escape(unit)}</text>',
        "</svg>",
    ]
    return "".join(parts)


def _step(span: float) -> float:
    """A round distance of grid lines, for about four of them."""
    rough = max(span, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
