"""A profile as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from layoutrt.report.console_table import console_table
from layoutrt.runtime.profiling.estimate import Estimate
from layoutrt.runtime.profiling.layers import Layer, by_block
from layoutrt.runtime.profiling.regression import StageChange
from layoutrt.runtime.profiling.report import END_TO_END, ModelProfile, Profile

SHOWN_LAYERS = 12


def stage_table(model: ModelProfile) -> Table:
    """Percentiles of each stage, and end to end below a line."""
    columns = ("min", "p50", "p90", "p95", "p99", "max", "mean", "jitter")
    runs = f"{len(model.total_ms)} runs"
    table = console_table(
        f"{model.name} ({model.precision}), {model.size[0]}x{model.size[1]}, {runs}, ms",
        ["stage"],
        columns,
        f"{model.backend}\nthe stages without the call around them are {model.stage_sum:.1%} of end to end",
    )
    for name, summary in model.summaries().items():
        if name == END_TO_END:
            table.add_section()
        row = summary.as_json()
        table.add_row(name, *(milliseconds(row[f"{column}_ms"]) for column in columns))
    return table


def comparison_table(profile: Profile) -> Table:
    """One row for each model; ratios to the first."""
    energy = any(model.joules is not None for model in profile.models)
    columns = ["p50 ms", "p95 ms", "p99 ms", "jitter ms", "runs/s", "speed", "first ms", "peak MB"]
    if energy:
        columns.append("J/run")
    title = (
        f"side by side, {profile.method['rounds']} rounds of {profile.method['iterations_per_round']} runs"
    )
    table = console_table(title, ["model"], columns)
    first = profile.models[0].summaries()[END_TO_END].p50_ms
    for model in profile.models:
        total = model.summaries()[END_TO_END]
        cells = [
            *(milliseconds(value) for value in (total.p50_ms, total.p95_ms, total.p99_ms, total.jitter_ms)),
            f"{model.per_second:.1f}",
            f"{first / total.p50_ms:.2f}x",
            f"{model.time_to_first_frame_ms:.0f}",
            f"{model.peak_mb:.0f}",
        ]
        if energy:
            cells.append("-" if model.joules is None else f"{model.joules:.2f}")
        table.add_row(f"{model.name} ({model.precision})", *cells)
    return table


def block_table(model: ModelProfile) -> Table:
    """Table of the time of each part of the network."""
    assert model.layers is not None
    folded = model.layers
    table = console_table(
        f"{model.name}: engine time by network block",
        ["block"],
        ("layers", "ms", "share", "GFLOP/s", "GB/s", "of peak"),
        f"layers add up to {folded.sum_ms:.2f} ms, {folded.sum_ms / folded.engine_ms:.1%} of the engine "
        f"stage ({folded.engine_ms:.2f} ms); with nodes timed a run took {folded.profiled_ms:.2f} ms",
    )
    for block, layers in by_block(folded.layers).items():
        table.add_row(block, str(len(layers)), *_sums(layers, folded.sum_ms))
    return table


def layer_table(model: ModelProfile) -> Table:
    """Table of the slowest layers."""
    assert model.layers is not None
    columns = (
        "operator",
        "precision",
        "ms",
        "share",
        "MFLOP",
        "MB",
        "GFLOP/s",
        "GB/s",
        "bound by",
        "of peak",
    )
    shown = sorted(model.layers.layers, key=lambda layer: -layer.ms)[:SHOWN_LAYERS]
    rest = len(model.layers.layers) - len(shown)
    table = console_table(
        f"{model.name}: the slowest layers", ["layer"], columns, f"and {rest} more" if rest else None
    )
    for layer in shown:
        table.add_row(
            layer.part,
            layer.operator,
            layer.precision,
            milliseconds(layer.ms),
            f"{layer.share:.1%}",
            f"{layer.flops / 1e6:.1f}",
            f"{layer.bytes / 1e6:.2f}",
            f"{layer.gflops:.0f}",
            f"{layer.gbs:.1f}",
            layer.bound,
            f"{layer.roof_ms / layer.ms:.0%}",
        )
    return table


def peaks_line(profile: Profile) -> str:
    """Line with the measured peaks."""
    found = profile.peaks
    return (
        f"peaks    {found.gflops:.0f} GFLOP/s in float32, {found.int8_gops:.0f} GOP/s in 8 bits, "
        f"{found.memory_gbs:.0f} GB/s from memory, {found.cache_gbs:.0f} GB/s in caches, as measured"
    )


def sensors_line(profile: Profile) -> str:
    """Line with clocks and temperatures before and after; "" on a machine without sensors."""
    before, after = profile.sensors["before"], profile.sensors["after"]
    named = [("processor", before, after, "cpu_mhz")]
    if before.get("gpu") and after.get("gpu"):
        named.append(("GPU", before["gpu"], after["gpu"], "mhz"))
    parts = []
    for name, first, last, clock in named:
        for key, unit in ((clock, "MHz"), ("celsius", "°C")):
            if first.get(key) is not None and last.get(key) is not None:
                parts.append(f"{name} {first[key]:.0f} to {last[key]:.0f} {unit}")
    return f"sensors  {', '.join(parts)}, before and after" if parts else ""


def change_table(changes: Iterable[StageChange], limit: float) -> Table:
    """Table of the stages that became slower or faster."""
    table = console_table(
        f"against the base, at most {limit:.0%} slower",
        ["stage"],
        ("base ms", "now ms", "change", "95 % interval", ""),
        "changes are relative to the reference workload, by a paired bootstrap over rounds",
    )
    for change in changes:
        verdict = Text("slower", "bold red") if change.regressed else Text("ok", "green")
        table.add_row(
            f"{change.model}: {change.stage}",
            milliseconds(change.base_ms),
            milliseconds(change.now_ms),
            f"{change.ratio - 1:+.1%}",
            f"{change.low - 1:+.1%} to {change.high - 1:+.1%}",
            verdict,
        )
    return table


def estimate_table(found: Estimate) -> Table:
    """Table of an estimate by block, titled as an estimate."""
    table = console_table(
        f"ESTIMATE, not measured: {found.model} at {found.size[0]}x{found.size[1]}, {found.precision}, "
        f"on {found.device}",
        ["block"],
        ("layers", "GFLOP", "MB", "ms", "compute-bound"),
        f"efficiency: {found.fitted_on}",
    )
    blocks: dict[str, list] = {}
    for layer in found.layers:
        blocks.setdefault(layer.block, []).append(layer)
    for block, layers in blocks.items():
        ms = sum(layer.ms for layer in layers)
        bound = sum(layer.ms for layer in layers if layer.bound == "compute")
        table.add_row(
            block,
            str(len(layers)),
            f"{sum(layer.flops for layer in layers) / 1e9:.2f}",
            f"{sum(layer.bytes for layer in layers) / 1e6:.1f}",
            milliseconds(ms),
            f"{bound / ms:.0%}",
        )
    return table


def milliseconds(value: float) -> str:
    """Format a time with three significant digits and at most three decimals."""
    return (
        f"{value:.0f}"
        if value >= 1000
        else f"{value:.1f}"
        if value >= 100
        else f"{value:.2f}"
        if value >= 1
        else f"{value:.3f}"
    )


def _sums(layers: Sequence[Layer], total_ms: float) -> tuple[str, ...]:
    ms = sum(layer.ms for layer in layers)
    return (
        milliseconds(ms),
        f"{ms / total_ms:.1%}",
        f"{sum(layer.flops for layer in layers) / ms / 1e6:.0f}",
        f"{sum(layer.bytes for layer in layers) / ms / 1e6:.1f}",
        f"{sum(layer.roof_ms for layer in layers) / ms:.0%}",
    )
