"""A profile as one HTML file: histograms, percentiles, stages, layers and peaks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from layoutrt.files import replacing
from layoutrt.report.canvas import series_class
from layoutrt.report.histogram import histogram
from layoutrt.report.html_page import html_page, html_table, html_tiles
from layoutrt.report.percentile_curve import percentile_curve
from layoutrt.report.timeline import timeline
from layoutrt.report.waterfall import waterfall
from layoutrt.runtime.profiling.charts.block_bars import block_bars
from layoutrt.runtime.profiling.charts.roofline import roofline
from layoutrt.runtime.profiling.layers import Layer, by_block
from layoutrt.runtime.profiling.page_style import STYLE
from layoutrt.runtime.profiling.report import END_TO_END, ModelProfile, Profile
from layoutrt.runtime.profiling.tables import milliseconds

_FIGURES = ("ms", "share", "MFLOP", "MB", "GFLOP/s", "GB/s", "bound by", "of peak")
SLOWEST = 12
"""Number of layers in the first table; the second has all of them."""


def write_page(path: str | Path, profile: Profile) -> None:
    """Write `page`, all or nothing.

    Raises:
        LayoutRTError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(page(profile), encoding="utf-8", errors="replace")


def page(profile: Profile) -> str:
    """HTML of the page: figures, models side by side, distributions, stages, layers, and the method."""
    models = profile.models
    names = ", ".join(model.name for model in models)
    totals = {model.name: model.total_ms for model in models}
    stages = {model.name: model.stages_ms for model in models}
    body = [
        f"<h1>{escape(names)} <small>latency</small></h1>",
        f'<p class="soft">{escape(_setting(profile))}</p>',
        "".join(f'<p class="card warning">{escape(warning)}</p>' for warning in profile.warnings),
        _tiles(models[0]) if len(models) == 1 else "",
        f'<section class="card scroll">{_side_by_side(models)}</section>' if len(models) > 1 else "",
        "<h2>Distribution</h2>",
        f'<div class="card scroll">{histogram(totals)}</div>',
        '<div class="columns">',
        f'<section class="card"><h3>Percentiles</h3>{percentile_curve(totals)}</section>',
        f'<section class="card"><h3>Stages of a run</h3>{waterfall(stages)}</section>',
        "</div>",
        f'<div class="card scroll"><h3>During the profile</h3>{timeline(_runs(models))}</div>',
        f'<div class="card scroll">{_stages(models)}</div>',
        *(_layers(model, profile) for model in models),
        _notes(profile),
    ]
    return html_page(f"Latency of {names}", body, STYLE)


def _setting(profile: Profile) -> str:
    method = profile.method
    return (
        f"{profile.setting}; input {method['input'].removesuffix(':')}, "
        f"{method['rounds']} rounds of {method['iterations_per_round']} runs; "
        f"{profile.created[:16].replace('T', ' ')} UTC"
    )


def _tiles(model: ModelProfile) -> str:
    total = model.summaries()[END_TO_END]
    tiles = [
        ("median", f"{milliseconds(total.p50_ms)} ms", f"{total.count} runs of {model.precision}"),
        ("99th percentile", f"{milliseconds(total.p99_ms)} ms", f"at most {milliseconds(total.max_ms)} ms"),
        ("throughput", f"{model.per_second:.1f} /s", f"at {model.size[0]}x{model.size[1]}"),
        ("jitter", f"{milliseconds(total.jitter_ms)} ms", "from run to run"),
        ("first result", f"{model.time_to_first_frame_ms:.0f} ms", f"{model.load_ms:.0f} ms of it loading"),
        (
            "peak memory",
            f"{model.peak_mb:.0f} MB",
            f"{model.peak_mb - model.before_mb:.0f} MB of it the model's",
        ),
    ]
    if model.joules is not None:
        tiles.append(("energy", f"{model.joules:.2f} J", "a run, the whole device"))
    return html_tiles(tiles)


def _key(place: int) -> str:
    return f'<span class="key {series_class(place)}"></span>'


def _side_by_side(models: Sequence[ModelProfile]) -> str:
    medians = [model.summaries()[END_TO_END] for model in models]
    longest = max(total.p50_ms for total in medians)
    rows: list[tuple[str, ...]] = []
    for place, (model, total) in enumerate(zip(models, medians, strict=True)):
        width = 140 * total.p50_ms / longest
        rows.append(
            (
                f"{_key(place)}{escape(model.name)} <small>{escape(model.precision)}</small>",
                f'<span class="track"><span class="meter {series_class(place)}" '
                f'style="width:{width:.0f}px"></span></span>{milliseconds(total.p50_ms)}',
                milliseconds(total.p95_ms),
                milliseconds(total.p99_ms),
                milliseconds(total.jitter_ms),
                f"{model.per_second:.1f}",
                f"{medians[0].p50_ms / total.p50_ms:.2f}x",
                f"{model.time_to_first_frame_ms:.0f}",
                f"{model.peak_mb:.0f}",
                "-" if model.joules is None else f"{model.joules:.2f}",
            )
        )
    heads = ["model", "p50, ms", "p95", "p99", "jitter", "runs/s", "speed", "first, ms", "peak, MB", "J/run"]
    if all(model.joules is None for model in models):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    return html_table("Side by side; speed is relative to the first", heads, rows, range(1, len(heads)))


def _runs(models: Sequence[ModelProfile]) -> dict[str, tuple[list[float], list[float]]]:
    return {model.name: (model.started_ms, model.total_ms) for model in models}


def _stages(models: Sequence[ModelProfile]) -> str:
    columns = ("min", "p50", "p90", "p95", "p99", "max", "mean", "jitter")
    rows = []
    for place, model in enumerate(models):
        for name, summary in model.summaries().items():
            values = summary.as_json()
            first = f"{_key(place)}{escape(model.name)}: {escape(name)}"
            rows.append((first, *(milliseconds(values[f"{column}_ms"]) for column in columns)))
    return html_table("Stages, ms", ["stage", *columns], rows, range(1, len(columns) + 1))


def _layers(model: ModelProfile, profile: Profile) -> str:
    if model.layers is None:
        return ""
    folded = model.layers
    slowest = sorted(folded.layers, key=lambda layer: -layer.ms)
    count = min(SLOWEST, len(slowest))
    return (
        f"<h2>Layers of {escape(model.name)}</h2>"
        f'<p class="soft">{len(folded.layers)} layers add up to {folded.sum_ms:.2f} ms, '
        f"{folded.sum_ms / folded.engine_ms:.1%} of the engine stage ({folded.engine_ms:.2f} ms). The solid "
        "part of a bar is the least time that the machine's measured peaks allow.</p>"
        '<div class="columns">'
        f'<section class="card"><h3>Time by network block</h3>{block_bars(by_block(folded.layers))}</section>'
        f'<section class="card"><h3>Roofline</h3>{roofline(folded.layers, profile.peaks)}</section></div>'
        f'<div class="card scroll">{_layer_table(f"The slowest {count}", slowest[:count])}'
        f"<details><summary>All {len(slowest)} layers, in the order in which they run</summary>"
        f"{_layer_table('', folded.layers)}</details></div>"
    )


def _layer_table(caption: str, layers: Sequence[Layer]) -> str:
    rows = [
        (
            f'<span title="{escape(layer.name)}">{escape(layer.part)}</span>',
            escape(layer.operator),
            escape(layer.block),
            layer.precision,
            milliseconds(layer.ms),
            f"{layer.share:.1%}",
            f"{layer.flops / 1e6:.1f}",
            f"{layer.bytes / 1e6:.2f}",
            f"{layer.gflops:.0f}",
            f"{layer.gbs:.1f}",
            f'<span class="bound">{layer.bound}</span>',
            f"{layer.roof_ms / layer.ms:.0%}",
        )
        for layer in layers
    ]
    heads = ["layer", "operator", "block", "type", *_FIGURES]
    return html_table(caption, heads, rows, (4, 5, 6, 7, 8, 9, 11))


def _notes(profile: Profile) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in profile.versions.items())
    found = profile.peaks
    backends = "".join(f"<li>{escape(model.name)}: {escape(model.backend)}</li>" for model in profile.models)
    return (
        f"<footer><ul>{backends}</ul><p>Each model runs in a process of its own, in alternating rounds with "
        "the others and with a reference workload of known size, which gave the machine's peaks: "
        f"{found.gflops:.0f} GFLOP/s in float32 and {found.int8_gops:.0f} GOP/s in 8 bits (products of "
        f"matrices), {found.memory_gbs:.0f} GB/s from memory and {found.cache_gbs:.0f} GB/s in caches "
        "(copies). Percentiles are interpolated; jitter is the mean difference from one run to the next. "
        "A layer that takes more than four times its roofline time is bound by neither.</p>"
        f"<p>Made by {escape(versions)}.</p></footer>"
    )
