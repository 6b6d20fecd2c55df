"""Time by network block, and the part that the peaks of the machine account for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layoutrt.report.canvas import bar, linear, round_ticks, svg, text, x_axis
from layoutrt.runtime.profiling.layers import Layer

_WIDTH, _BAR, _LEFT, _RIGHT, _TOP, _BOTTOM = 620, 38, 118, 108, 6, 34


def block_bars(blocks: Mapping[str, Sequence[Layer]]) -> str:
    """A bar for each block: its solid part is the least time that the machine's peaks allow.

    Args:
        blocks: see `layoutrt.runtime.profiling.layers.by_block`.
    """
    total = sum(layer.ms for layers in blocks.values() for layer in layers)
    longest = max(sum(layer.ms for layer in layers) for layers in blocks.values())
    x = linear(0, longest, _LEFT, _WIDTH - _RIGHT)
    bottom = _TOP + _BAR * len(blocks)
    parts = x_axis(round_ticks(0, longest), x, _TOP, bottom)
    parts.append(text(_WIDTH - 4, bottom + 30, "ms", "end"))
    for row, (block, layers) in enumerate(blocks.items()):
        y = _TOP + _BAR * row
        ms = sum(layer.ms for layer in layers)
        roof = sum(min(layer.roof_ms, layer.ms) for layer in layers)
        about = f"{block}: {len(layers)} layers, {ms:.2f} ms, of which the peaks explain {roof:.2f} ms"
        for value, kind in ((ms, "block"), (roof, "roofed")):
            parts.append(bar(_LEFT, y + 8, max(x(value) - _LEFT, 0), _BAR - 16, kind, about))
        parts.append(text(_LEFT - 10, y + 23, block, "end"))
        parts.append(text(x(ms) + 7, y + 23, f"{ms:.2f} ms, {ms / total:.0%}", kind="value"))
    return svg(_WIDTH, bottom + _BOTTOM, "Time by network block", parts)
