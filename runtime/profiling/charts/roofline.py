"""The roofline plot: what each layer reached, under what the machine can do (Williams et al., 2009)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from layoutrt.report.canvas import (
    circle,
    decades,
    line,
    logarithmic,
    series_class,
    svg,
    text,
    x_axis,
    y_axis,
)
from layoutrt.runtime.profiling.layers import Layer, by_operator
from layoutrt.runtime.profiling.reference_workload import Peaks

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 620, 420, 56, 18, 16, 58
_NAMED = 4
"""Operators with a color of their own; the others share one."""


def roofline(layers: Sequence[Layer], peaks: Peaks) -> str:
    """A circle for each layer that computes; its area is its share of the time.

    Args:
        layers: of one model.
        peaks: measured peaks of the machine.
    """
    shown = [layer for layer in layers if layer.flops and layer.bytes]
    if not shown:
        return ""
    intensity = [layer.flops / layer.bytes for layer in shown]
    reached = [layer.gflops for layer in shown]
    eight = any(layer.precision == "int8" for layer in shown)
    peak = max(peaks.gflops, peaks.int8_gops if eight else 0.0)
    low_x, high_x = (
        10 ** math.floor(math.log10(min(intensity))),
        10 ** math.ceil(math.log10(max(intensity) * 1.5)),
    )
    low_y = 10 ** math.floor(math.log10(max(min(reached), 1e-2)))
    x = logarithmic(low_x, high_x, _LEFT, _WIDTH - _RIGHT)
    y = logarithmic(low_y, peak * 2.2, _HEIGHT - _BOTTOM, _TOP)
    parts = x_axis(decades(low_x, high_x), x, _TOP, _HEIGHT - _BOTTOM)
    parts += y_axis(decades(low_y, peak * 2.2), y, _LEFT, _WIDTH - _RIGHT)
    parts.append(text(_WIDTH - _RIGHT, _HEIGHT - _BOTTOM + 34, "operations for each byte moved", "end"))
    parts.append(text(4, 10, "10⁹ operations a second"))
    flat = [(peaks.gflops, f"{peaks.gflops:.0f} GFLOP/s float32")]
    if eight:
        flat.append((peaks.int8_gops, f"{peaks.int8_gops:.0f} GOP/s 8 bits"))
    for bandwidth, label in (
        (peaks.memory_gbs, f"memory {peaks.memory_gbs:.0f} GB/s"),
        (peaks.cache_gbs, f"caches {peaks.cache_gbs:.0f} GB/s"),
    ):
        start = max(low_x, low_y / bandwidth)
        end = min(high_x, peak / bandwidth)
        if end > start:
            parts.append(line(x(start), y(start * bandwidth), x(end), y(end * bandwidth), "roof"))
            middle = math.sqrt(start * end)
            angle = -math.degrees(math.atan2(y(start * bandwidth) - y(end * bandwidth), x(end) - x(start)))
            place = (x(middle), y(middle * bandwidth) - 5)
            parts.append(
                f'<text class="roof-label" text-anchor="middle" transform="translate({place[0]:.1f} '
                f'{place[1]:.1f}) rotate({angle:.1f})">{label}</text>'
            )
    for value, label in flat:
        start = max(low_x, value / peaks.cache_gbs)
        parts.append(line(x(min(start, high_x)), y(value), _WIDTH - _RIGHT, y(value), "roof"))
        parts.append(text(_WIDTH - _RIGHT - 4, y(value) - 6, label, "end", "roof-label"))
    parts += _circles(shown, x, y, low_y)
    return svg(_WIDTH, _HEIGHT, "Roofline of the layers", parts)


def _circles(layers: Sequence[Layer], x, y, low_y: float) -> list[str]:  # type: ignore[no-untyped-def]
    names = list(by_operator(layers))
    color = {name: series_class(min(place, _NAMED)) for place, name in enumerate(names)}
    parts = []
    # Large ones first, so that they hide nothing.
    for layer in sorted(layers, key=lambda layer: -layer.share):
        radius = 3 + 46 * math.sqrt(layer.share) / math.sqrt(2 * math.pi)
        about = (
            f"{layer.part} ({layer.operator}): {layer.ms:.3f} ms, {layer.gflops:.0f} GFLOP/s, "
            f"{layer.gbs:.1f} GB/s, bound by {layer.bound}"
        )
        center = x(layer.flops / layer.bytes), y(max(layer.gflops, low_y))
        parts.append(circle(*center, radius, f"layer {color[layer.operator]}", about))
    place = float(_LEFT)
    legend = [*names[:_NAMED], *(["others"] if len(names) > _NAMED else [])]
    for index, name in enumerate(legend):
        parts.append(circle(place + 6, _HEIGHT - 10, 5, f"layer {series_class(index)}"))
        parts.append(text(place + 16, _HEIGHT - 6, name))
        place += 30 + 6.6 * len(name)
    return parts
