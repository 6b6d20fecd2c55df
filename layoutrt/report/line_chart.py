"""A small line chart as inline SVG, which needs no script and takes its colors from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layoutrt.report.canvas import circle, line, linear, polyline, round_step, svg, text, y_axis

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
    ticks = _whole_steps(min(*values, limit), max(*values, limit))
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    y = linear(ticks[0], ticks[-1], floor, _TOP)
    x = linear(-0.5, len(points) - 0.5, _LEFT, right)
    way = [(x(place), y(value)) for place, value in enumerate(values)]
    corners = [(x(0), floor), *way, (x(len(points) - 1), floor)]
    parts = [
        *y_axis(ticks, y, _LEFT, right),
        f'<polygon class="area" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in corners)}"/>',
        line(_LEFT, y(limit), right, y(limit), "limit"),
        polyline(way, "line"),
    ]
    # Marks last, so that nothing hides them.
    for place, point in sorted(enumerate(points), key=lambda entry: entry[1].marked):
        kind, radius = ("marked", 5) if point.marked else ("dot", 3)
        parts.append(circle(*way[place], radius, kind, point.label))
    parts += [
        text(right, y(limit) - 6, limit_label, "end", "limit-label"),
        text(_LEFT, _HEIGHT - 6, first),
        text(right, _HEIGHT - 6, last, "end"),
        text(_LEFT - 8, _HEIGHT - 6, unit, "end"),
    ]
    return svg(_WIDTH, _HEIGHT, title, parts)


def _whole_steps(low: float, high: float) -> list[float]:
    """Round values, about four steps apart, that enclose a range."""
    step = round_step(high - low, 4)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [place * step for place in range(first, last + 1)]
