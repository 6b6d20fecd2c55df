"""Latency over percentiles, the axis stretched towards the slowest runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from layoutrt.report.canvas import SERIES, hint, line, linear, round_ticks, svg, text

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
    x = linear(0, _stretch(last), _LEFT, _WIDTH - _RIGHT)
    y = linear(0, top * 1.05, _HEIGHT - _BOTTOM, _TOP)
    parts = []
    for tick in round_ticks(0, top * 1.05, 5):
        parts += [
            line(_LEFT, y(tick), _WIDTH - _RIGHT, y(tick)),
            text(_LEFT - 8, y(tick) + 4, f"{tick:g}", "end"),
        ]
    for percent in _TICKS:
        if percent <= last:
            place = x(_stretch(percent))
            parts += [line(place, _TOP, place, _HEIGHT - _BOTTOM)]
            parts += [text(place, _HEIGHT - _BOTTOM + 17, f"{percent:g}", "middle")]
    parts += [
        text(_WIDTH - _RIGHT, _HEIGHT - 6, "percent of the runs", "end"),
        text(_LEFT - 8, 11, "ms", "end"),
    ]
    for row, (name, times) in enumerate(times_ms.items()):
        color = f"s{row % SERIES}"
        ordered = np.sort(np.asarray(times))
        percents = [100 * (rank + 0.5) / len(ordered) for rank in range(len(ordered))]
        way = " ".join(
            f"{x(_stretch(p)):.1f},{y(value):.1f}" for p, value in zip(percents, ordered, strict=True)
        )
        parts.append(f'<polyline class="curve {color}" points="{way}">{hint(name)}</polyline>')
        for percent in (50, 90, 99):
            value = float(np.percentile(ordered, percent))
            if percent <= percents[-1]:
                parts.append(
                    f'<circle class="dot {color}" cx="{x(_stretch(percent)):.1f}" cy="{y(value):.1f}" r="4">'
                    f"{hint(f'{name}: {percent} % within {value:.2f} ms')}</circle>"
                )
    return svg(_WIDTH, _HEIGHT, f"Latency percentiles of {', '.join(times_ms)}", parts)


def _stretch(percent: float) -> float:
    """Nines: 0 % is 0, 90 % is 1, 99 % is 2."""
    return -math.log10(1 - percent / 100)
