"""Latency over percentiles, the axis stretched towards the slowest runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from layoutrt.report.canvas import (
    circle,
    linear,
    polyline,
    round_ticks,
    series_class,
    svg,
    text,
    x_axis,
    y_axis,
)

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 620, 320, 48, 20, 16, 40
_TICKS = (0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)


def percentile_curve(times_ms: Mapping[str, Sequence[float]]) -> str:
    """One line for each model: the time within which so many percent of its runs ended.

    Args:
        times_ms: end to end, of each model, by name; at least one.
    """
    most = max(len(times) for times in times_ms.values())
    last = 100.0 * (1 - 0.5 / most)
    top = max(max(times) for times in times_ms.values())
    stretched = linear(0, _stretch(last), _LEFT, _WIDTH - _RIGHT)

    def x(percent: float) -> float:
        return stretched(_stretch(percent))

    y = linear(0, top * 1.05, _HEIGHT - _BOTTOM, _TOP)
    parts = y_axis(round_ticks(0, top * 1.05, 5), y, _LEFT, _WIDTH - _RIGHT)
    parts += x_axis([percent for percent in _TICKS if percent <= last], x, _TOP, _HEIGHT - _BOTTOM)
    parts += [
        text(_WIDTH - _RIGHT, _HEIGHT - 6, "percent of the runs", "end"),
        text(_LEFT - 8, 11, "ms", "end"),
    ]
    for row, (name, times) in enumerate(times_ms.items()):
        color = series_class(row)
        ordered = np.sort(np.asarray(times))
        percents = [100 * (rank + 0.5) / len(ordered) for rank in range(len(ordered))]
        way = [(x(percent), y(value)) for percent, value in zip(percents, ordered, strict=True)]
        parts.append(polyline(way, f"curve {color}", name))
        for percent in (50, 90, 99):
            value = float(np.percentile(ordered, percent))
            if percent <= percents[-1]:
                about = f"{name}: {percent} % within {value:.2f} ms"
                parts.append(circle(x(percent), y(value), 4, f"dot {color}", about))
    return svg(_WIDTH, _HEIGHT, f"Latency percentiles of {', '.join(times_ms)}", parts)


def _stretch(percent: float) -> float:
    """Nines: 0 % is 0, 90 % is 1, 99 % is 2."""
    return -math.log10(1 - percent / 100)
