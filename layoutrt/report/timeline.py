"""Every run where it happened: drift and outliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layoutrt.report.canvas import circle, linear, round_ticks, series_class, svg, text, x_axis, y_axis

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 960, 200, 48, 16, 12, 34
_MOST_DOTS = 1500


def timeline(runs: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """A dot for each run.

    Args:
        runs: by model, when each run started and how long it took, in ms.
    """
    end = max(max(started) for started, _ in runs.values()) / 1e3
    top = max(max(times) for _, times in runs.values()) * 1.05
    x = linear(0, max(end, 1e-3), _LEFT, _WIDTH - _RIGHT)
    y = linear(0, top, _HEIGHT - _BOTTOM, _TOP)
    parts = y_axis(round_ticks(0, top, 4), y, _LEFT, _WIDTH - _RIGHT)
    parts += x_axis(round_ticks(0, end, 8), x, _TOP, _HEIGHT - _BOTTOM, grid=False)
    parts += [
        text(_WIDTH - _RIGHT, _HEIGHT - 4, "s since the start", "end"),
        text(_LEFT - 8, 10, "ms", "end"),
    ]
    for row, (name, (started, times)) in enumerate(runs.items()):
        step = max(1, len(times) // _MOST_DOTS)
        for start, ms in list(zip(started, times, strict=True))[::step]:
            about = f"{name}: {ms:.2f} ms"
            parts.append(circle(x(start / 1e3), y(ms), 2.5, f"run {series_class(row)}", about))
    return svg(_WIDTH, _HEIGHT, f"Latency of {', '.join(runs)} during the profile", parts)
