"""What the charts share: scales, ticks, and the frame of an SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

Scale = Callable[[float], float]
SERIES = 6
"""Colors of models, classes ``s0`` to ``s5`` of the page."""


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """From values to pixels."""
    return lambda value: start + (end - start) * (value - low) / (high - low)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """From positive values to pixels, by their logarithms."""
    inner = linear(math.log(low), math.log(high), start, end)
    return lambda value: inner(math.log(value))


def round_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers within a range."""
    rough = max(high - low, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten within a range."""
    return [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]


def svg(width: int, height: float, title: str, parts: Sequence[str]) -> str:
    """The whole chart; ``title`` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def text(x: float, y: float, content: str, anchor: str = "start", kind: str = "") -> str:
    """A label; ``kind`` is a class."""
    own = f' class="{kind}"' if kind else ""
    return f'<text{own} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    """A straight line; ``kind`` is a class."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def hint(content: str) -> str:
    """What shows where the pointer rests."""
    return f"<title>{escape(content)}</title>"
