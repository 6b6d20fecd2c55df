"""The stages of a typical run, each where it starts."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from layoutrt.report.canvas import bar, linear, round_ticks, series_class, svg, text, x_axis

_WIDTH, _BAR, _HEAD, _LEFT, _RIGHT, _TOP, _BOTTOM = 620, 24, 24, 118, 62, 4, 34


def waterfall(stages_ms: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Median times of the stages of each model, one after the other on one axis.

    Args:
        stages_ms: by model and stage, of each run.
    """
    medians = {
        model: {stage: statistics.median(times) for stage, times in stages.items()}
        for model, stages in stages_ms.items()
    }
    longest = max(sum(stages.values()) for stages in medians.values())
    x = linear(0, longest, _LEFT, _WIDTH - _RIGHT)
    rows = sum(len(stages) for stages in medians.values())
    bottom = _TOP + rows * _BAR + len(medians) * _HEAD
    parts = x_axis(round_ticks(0, longest), x, _TOP, bottom)
    parts.append(text(_WIDTH - 4, bottom + 30, "ms, medians", "end"))
    y = float(_TOP)
    for place, (model, stages) in enumerate(medians.items()):
        parts.append(text(4, y + 17, model, kind="name"))
        y += _HEAD
        start = 0.0
        for stage, ms in stages.items():
            width = max(x(start + ms) - x(start), 1.5)
            parts.append(text(_LEFT - 10, y + 15, stage, "end"))
            kind = f"bar solid {series_class(place)}"
            parts.append(bar(x(start), y + 4, width, _BAR - 8, kind, f"{stage}: {ms:.3f} ms"))
            parts.append(
                text(x(start) + width + 6, y + 15, f"{ms:.2f}" if ms >= 0.01 else "< 0.01", kind="value")
            )
            start += ms
            y += _BAR
    return svg(_WIDTH, bottom + _BOTTOM, f"Stages of {', '.join(medians)}", parts)
