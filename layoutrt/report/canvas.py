"""Drawing of charts: scales, ticks, axes, the colors of series, and the frame of an SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

Scale = Callable[[float], float]
SERIES_COLORS = (
    ("#2f5fd0", "#86a8ff"),
    ("#c2560c", "#ffa766"),
    ("#0b7f66", "#5fd4b1"),
    ("#a23b96", "#ef8fe0"),
    ("#6f6a00", "#d9cd57"),
    ("#5f6b7d", "#aab4c4"),
)
"""Colors of series on light and on dark paper; the first differ also for readers who are color-blind."""
SERIES = len(SERIES_COLORS)
"""Number of series with a color of their own, classes ``s0`` to ``s5``."""


def series_style() -> str:
    """CSS that gives each class of a series its color, as the variable ``--own``."""
    light, dark = (
        " ".join(f"--s{place}: {colors[theme]};" for place, colors in enumerate(SERIES_COLORS))
        for theme in (0, 1)
    )
    classes = " ".join(f".s{place} {{ --own: var(--s{place}); }}" for place in range(SERIES))
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n{classes}\n"


def series_class(place: int) -> str:
    """Class of the series at a place; colors repeat where there are more series."""
    return f"s{place % SERIES}"


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Scale from values to pixels."""
    return lambda value: start + (end - start) * (value - low) / (high - low)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Scale from positive values to pixels, by their logarithms."""
    inner = linear(math.log(low), math.log(high), start, end)
    return lambda value: inner(math.log(value))


def round_step(span: float, about: int) -> float:
    """1, 2 or 5 times a power of ten, for about so many steps within a span."""
    rough = max(span, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def round_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers within a range."""
    step = round_step(high - low, about)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten within a range."""
    return [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]


def x_axis(ticks: Iterable[float], x: Scale, top: float, bottom: float, *, grid: bool = True) -> list[str]:
    """Values along the bottom, each with a line up to ``top`` unless ``grid`` is false."""
    parts = []
    for tick in ticks:
        if grid:
            parts.append(line(x(tick), top, x(tick), bottom))
        parts.append(text(x(tick), bottom + 16, f"{tick:g}", "middle"))
    return parts


def y_axis(ticks: Iterable[float], y: Scale, left: float, right: float) -> list[str]:
    """Values along the left, each with a line to ``right``."""
    parts = []
    for tick in ticks:
        parts += [line(left, y(tick), right, y(tick)), text(left - 8, y(tick) + 4, f"{tick:g}", "end")]
    return parts


def polyline(points: Iterable[tuple[float, float]], kind: str, about: str = "") -> str:
    """A broken line; ``kind`` is a class, ``about`` what shows where the pointer rests."""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{way}">{hint(about) if about else ""}</polyline>'


def circle(x: float, y: float, radius: float, kind: str, about: str = "") -> str:
    """A disc; ``kind`` is a class, ``about`` what shows where the pointer rests."""
    inner = hint(about) if about else ""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.3g}">{inner}</circle>'


def bar(x: float, y: float, width: float, height: float, kind: str, about: str = "", radius: int = 3) -> str:
    """A rectangle with round corners; ``kind`` is a class, ``about`` shows where the pointer rests."""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{radius}">{hint(about) if about else ""}</rect>'
    )


def svg(width: int, height: float, title: str, parts: Sequence[str], style: str | None = None) -> str:
    """The whole chart.

    Args:
        width: in pixels.
        height: in pixels.
        title: read by a screen reader.
        parts: drawn in this order.
        style: CSS of a chart that stands alone as a file; None for one inside a page.
    """
    alone = ""
    if style is not None:
        alone = f'xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" '
        parts = [f"<style>{style}</style>", *parts]
    return (
        f'<svg {alone}viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
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
    """Text that shows where the pointer rests."""
    return f"<title>{escape(content)}</title>"
