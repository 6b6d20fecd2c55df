"""Growth of time and memory with the size of the image, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.edge_generator import Growth
from layoutrt.errors import require
from layoutrt.files import replacing
from layoutrt.report.console_table import console_table


def growth_table(points: Sequence[Growth]) -> Table:
    """A row for each size and number of threads."""
    table = console_table("how cost grows", right=("size", "threads", "ms", "ns a pixel", "peak MB"))
    for side, threads, ms, peak in points:
        each = ms * 1e6 / side**2
        table.add_row(f"{side}x{side}", str(threads), f"{ms:.1f}", f"{each:.0f}", f"{peak:.0f}")
    return table


def draw(points: Sequence[Growth], png: Path) -> None:
    """Two panels over the side of the image, both axes logarithmic: ms, and MB of peak memory.

    Raises:
        LayoutRTError: matplotlib is not installed, or the picture cannot be written.
    """
    require("matplotlib", extra="dev", purpose="the benchmark's plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    for axes, what, value in zip(
        figure.subplots(1, 2), ("time of an image, ms", "peak memory, MB"), ("ms", "peak_mb"), strict=True
    ):
        for threads in sorted({point.threads for point in points}):
            curve = [point for point in points if point.threads == threads]
            label = f"{threads} thread{'s' if threads > 1 else ''}"
            values = [getattr(point, value) for point in curve]
            axes.plot([point.side for point in curve], values, "o-", label=label)
            if threads == max(point.threads for point in points):
                for point, y in zip(curve, values, strict=True):
                    axes.annotate(f"{y:.3g}", (point.side, y), (0, -14), textcoords="offset points")
        if value == "ms":
            first = points[0]
            sides = sorted({point.side for point in points})
            proportional = [first.ms * (side / first.side) ** 2 for side in sides]
            axes.plot(sides, proportional, ":", color="gray", label="proportional to pixels")
        axes.set(xscale="log", yscale="log", xlabel="height and width, pixels", title=what)
        axes.set_xticks([point.side for point in points], [str(point.side) for point in points])
        axes.minorticks_off()
        axes.margins(0.12)
        axes.grid(alpha=0.3)
        axes.legend()
    with replacing(png) as temporary:
        figure.savefig(temporary)
