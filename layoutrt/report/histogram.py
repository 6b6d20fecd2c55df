"""Latency histograms, one below the other on one axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from layoutrt.report.canvas import bar, line, linear, round_ticks, series_class, svg, text, x_axis

_WIDTH, _ROW, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 92, 190, 16, 8, 34
_BINS = 80
_LONGEST_NAME = 26
_BEYOND = 99.5
"""Percentile at which the axis ends; what is above is counted in words."""


def histogram(times_ms: Mapping[str, Sequence[float]]) -> str:
    """The counts of end-to-end times, with lines at p50 and p99.

    Args:
        times_ms: of each model, by name; at least one.
    """
    low = min(min(times) for times in times_ms.values())
    high = max(float(np.percentile(times, _BEYOND)) for times in times_ms.values())
    margin = max(0.02 * (high - low), 1e-3 * high, 1e-6)
    low, high = max(0.0, low - margin), high + margin
    edges = np.linspace(low, high, _BINS + 1)
    x = linear(low, high, _LEFT, _WIDTH - _RIGHT)
    bottom = _TOP + _ROW * len(times_ms)
    parts = x_axis(round_ticks(low, high, 8), x, _TOP, bottom)
    parts.append(text(_WIDTH - _RIGHT, bottom + 30, "ms, end to end", "end"))
    for row, (name, times) in enumerate(times_ms.items()):
        parts += _row(name, times, row, edges, x)
    return svg(_WIDTH, bottom + _BOTTOM, f"Histograms of the latency of {', '.join(times_ms)}", parts)


def _row(name: str, times: Sequence[float], row: int, edges: np.ndarray, x) -> list[str]:  # type: ignore[no-untyped-def]
    counts, _ = np.histogram(times, edges)
    floor = _TOP + _ROW * (row + 1)
    tallest = max(1, int(counts.max()))
    height = _ROW - 34
    color = series_class(row)
    parts = [line(_LEFT, floor, _WIDTH - _RIGHT, floor)]
    width = x(edges[1]) - x(edges[0])
    for count, left in zip(counts, edges, strict=False):
        if count:
            top = height * int(count) / tallest
            about = f"{int(count)} runs from {left:.2f} ms on"
            parts.append(
                bar(x(left) + 0.5, floor - top, max(width - 1, 1), top, f"bar {color}", about, radius=1)
            )
    beyond = sum(time > edges[-1] for time in times)
    p50, p99 = np.percentile(times, [50, 99])
    parts.append(
        text(
            4,
            floor - 32,
            name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…",
            kind="name",
        )
    )
    for value, label, shift in ((p50, f"p50 {p50:.2f}", 14), (p99, f"p99 {p99:.2f}", 27)):
        place = min(x(value), x(edges[-1]))
        anchor = "end" if place > _WIDTH / 2 else "start"
        parts.append(line(place, floor - height - 22 + shift - 6, place, floor, f"mark {color}"))
        offset = -5 if anchor == "end" else 5
        parts.append(text(place + offset, floor - height - 22 + shift, label, anchor, "value"))
    if beyond:
        parts.append(text(4, floor - 14, f"{beyond} slower, up to {max(times):.1f} ms"))
    return parts
