"""A verification as one HTML file that loads nothing: it can be mailed, archived and opened offline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from layoutrt.calib.quality.fidelity import LEVELS, peak_signal_to_noise
from layoutrt.export.verification.checks import Check, inapplicable
from layoutrt.export.verification.layer_comparison import BELOW_DB, STEP_CAP_DB, Layer, LayerComparison
from layoutrt.export.verification.report import (
    SHOWN_LAYERS,
    ModelFacts,
    Verification,
    decibels,
    frames_text,
    layer_sentences,
    metric_rows,
    percent,
    shape_text,
)
from layoutrt.export.verification.worst_frames import AMPLIFIED, FrameResult
from layoutrt.files import replacing
from layoutrt.report.html_page import html_page, html_table, html_tiles
from layoutrt.report.line_chart import Point, line_chart

_CHART_CAP_DB = 60.0
"""Equal frames have an infinite ratio; charts end here."""


def write_page(path: Path, found: Verification) -> None:
    """Write `page`, all or nothing.

    Raises:
        LayoutRTError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(page(found), encoding="utf-8", errors="replace")


def page(found: Verification) -> str:
    """The page: result, checks, metrics, the worst frames first, layers, and what was compared."""
    title = f"{found.candidate.name} against {found.reference.name}"
    size = found.data.size
    body = [
        f"<p>{_pill(found.passed)} {_failures(found)}</p>",
        f"<h1>{escape(found.candidate.name)} <small>against {escape(found.reference.name)}</small></h1>",
        f'<p class="soft">{escape(found.candidate.precision)} against {escape(found.reference.precision)}, '
        f"{frames_text(found.data.frames)} of <code>{escape(found.data.source)}</code>, {size}</p>",
        _tiles(found),
        '<div class="columns">',
        f'<div><section class="card scroll">{_checks(found.checks)}</section>{_models(found)}</div>',
        f'<section class="card scroll">{_metrics(found)}</section>',
        "</div>",
        _course(found),
        _worst(found),
        _layers(found.layers) if found.layers else "",
        _notes(found),
    ]
    return html_page(title, body, STYLE)


def _pill(passed: bool | None, text: str = "") -> str:
    name = {True: "pass", False: "fail", None: "idle"}[passed]
    return f'<span class="pill {name}">{escape(text or ("passed" if passed else "failed"))}</span>'


def _tiles(found: Verification) -> str:
    tiles: list[tuple[str, str, str]] = []
    if images := found.fidelity:
        tiles += [
            ("PSNR", decibels(images.psnr), f"worst frame {decibels(images.worst_psnr)}"),
            ("SSIM", f"{images.ssim:.4f}", f"worst frame {images.worst_ssim:.4f}"),
            ("color shift", f"{images.largest_shift:+.2f}", "gray levels, worst channel"),
        ]
    if labels := found.segmentation:
        worst = f"worst frame {percent(labels.worst_agreement)}"
        tiles.append(("equal labels", percent(labels.agreement), worst))
        if labels.drop_points is not None:
            tiles.append(("mIoU drop", f"{labels.drop_points:+.2f}", "points of 0.01"))
    return html_tiles(tiles)


def _failures(found: Verification) -> str:
    failed = [
        f"{check.name} {check.shown_value()}, not {check.shown_limit()}"
        for check in found.checks
        if check.passed is False
    ]
    return escape("; ".join(failed))


def _checks(checks: Sequence[Check]) -> str:
    rows = [
        (
            f"{escape(check.name)}<br><code>{check.option}</code>",
            escape(check.shown_value()),
            escape(check.shown_limit()),
            _pill(check.passed, check.shown_result().lower()),
        )
        for check in checks
    ]
    table = html_table("What the candidate must keep", ["check", "measured", "limit", "result"], rows, (1, 2))
    return table + _note("; ".join(inapplicable(checks)))


def _metrics(found: Verification) -> str:
    rows = [tuple(escape(text) for text in row) for row in metric_rows(found)]
    reason = found.segmentation_reason
    table = html_table("What was measured", ["", "all frames", "worst frame"], rows, (1, 2))
    return table + _note(f"No segmentation: {reason}" if reason else "")


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}.</p>' if text else ""


def _course(found: Verification) -> str:
    if len(found.course) < 2:
        return ""
    count, frames = len(found.course), found.data.frames
    images = found.kind == "generator"
    values = [
        min(_CHART_CAP_DB, peak_signal_to_noise(badness)) if images else 100 * (1 - badness)
        for badness in found.course
    ]
    check = next(c for c in found.checks if c.option == ("--min-psnr" if images else "--min-agreement"))
    limit = (check.limit or 0.0) * (1 if images else 100)
    unit = "dB" if images else "%"
    points = [
        Point(value, f"frame {place * frames // count + 1}: {value:.2f} {unit}", value == min(values))
        for place, value in enumerate(values)
    ]
    what = "PSNR" if images else "Equal labels"
    chart = line_chart(
        points,
        title=f"{what} along the frames, lowest {min(values):.2f} {unit}",
        unit=unit,
        limit=limit,
        limit_label=f"limit over all frames: {limit:g} {unit}",
        first="first frame",
        last="last frame",
    )
    each = "" if count == frames else f"; each point is the worst of about {frames / count:.0f} frames"
    return (
        f'<h2>{what} along the frames</h2><p class="soft">In {unit}{each}.</p>'
        f'<div class="card scroll">{chart}</div>'
    )


def _worst(found: Verification) -> str:
    images = found.kind == "generator"
    shown = (
        f"Layout, reference, candidate, and their difference amplified {AMPLIFIED} times around gray."
        if images
        else "Frame, labels of the reference and of the candidate, and the pixels where they disagree in red."
    )
    articles = [_frame(place, frame) for place, frame in enumerate(found.worst, 1)]
    return f'<h2>Worst frames first</h2><p class="soft">{shown}</p>' + "\n".join(articles)


def _frame(place: int, frame: FrameResult) -> str:
    facts: list[str] = []
    if image := frame.fidelity:
        red, green, blue = image.shift
        facts = [
            f"PSNR {decibels(image.psnr)}",
            f"SSIM {image.ssim:.4f}",
            f"shift {red:+.2f}, {green:+.2f}, {blue:+.2f}",
            f"max error {image.max_error}",
            f"{percent(image.shares_off[1])} of pixels off by more than {LEVELS[1]}",
        ]
    if frame.agreement is not None:
        facts.append(f"{percent(frame.agreement)} equal labels")
    figures = "".join(
        f'<figure><img src="{picture.source}" width="{picture.width}" height="{picture.height}" '
        f'alt="{escape(f"{picture.caption}, frame {frame.name}")}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for picture in frame.pictures
    )
    return (
        f'<article class="card"><header><h3>{place}. {escape(frame.name)}</h3>'
        + "".join(f"<span>{escape(fact)}</span>" for fact in facts)
        + f'</header><div class="row">{figures}</div></article>'
    )


def _layers(layers: LayerComparison) -> str:
    marked = {layer.tensor for layer in (layers.first_below, layers.largest_drop) if layer}
    chart = line_chart(
        [
            Point(
                min(layer.sqnr_db, STEP_CAP_DB),
                f"{layer.node} ({layer.operator}): {layer.sqnr_db:.1f} dB, drop {layer.drop_db:.1f} dB",
                layer.tensor in marked,
            )
            for layer in layers.layers
        ],
        title="Signal-to-quantization-noise ratio of the layers in the reference's order",
        unit="dB",
        limit=BELOW_DB,
        limit_label=f"{BELOW_DB:.0f} dB",
        first="first layer",
        last="last layer",
    )
    sentences = "; ".join(layer_sentences(layers))
    worst = _layer_table(f"The worst {min(SHOWN_LAYERS, len(layers.layers))}", layers.worst(SHOWN_LAYERS))
    everything = _layer_table(f"All {len(layers.layers)}, in the reference's order", layers.layers)
    return (
        "<h2>Where the graphs part</h2>"
        f'<p class="soft">SQNR of each layer after the best gain of each channel, over '
        f"{frames_text(layers.frames)}, drawn up to {STEP_CAP_DB:.0f} dB; {escape(sentences)}.</p>"
        f'<div class="card scroll">{chart}</div><p></p><div class="card scroll">{worst}'
        f"<details><summary>All layers</summary>{everything}</details></div>"
    )


def _layer_table(caption: str, layers: Iterable[Layer]) -> str:
    rows = [
        (
            f"<code>{escape(layer.node)}</code>",
            escape(layer.operator),
            f"{layer.sqnr_db:.1f}",
            f"{layer.drop_db:.1f}",
            shape_text(layer),
        )
        for layer in layers
    ]
    return html_table(caption, ["node", "operator", "SQNR, dB", "drop, dB", "shape"], rows, (2, 3, 4))


def _models(found: Verification) -> str:
    models: list[tuple[str, ModelFacts]] = [("reference", found.reference), ("candidate", found.candidate)]
    if found.segmenter:
        models.append(("segmenter", found.segmenter))
    return "".join(
        f'<section class="card model"><h3>{escape(model.name)} '
        f"<small>{role}, {escape(model.precision)}</small></h3>"
        f"<p>{escape(model.backend)}; made by layoutrt {escape(model.version)}</p>"
        f"<code>SHA-256 {model.sha256}</code></section>"
        for role, model in models
    )


def _notes(found: Verification) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    images = (
        "PSNR is of the mean squared error over all pixels of all frames. SSIM is that of Wang et al. (2004) "
        "on luma with an 11x11 Gaussian window of sigma 1.5. Errors and shifts are in gray levels, 0 to 255; "
        "the color shift is the mean of candidate minus reference. "
    )
    return (
        f"<footer><p>{images if found.fidelity else ''}Mean IoU is over the classes that occur.</p>"
        f"<p>Made by {escape(versions)}.</p></footer>"
    )


STYLE = """
.pill { display: inline-block; padding: 3px 12px; border-radius: 99px; font-size: 14px; font-weight: 600; }
.pass { color: var(--good); background: var(--good-back); }
.fail { color: var(--bad); background: var(--bad-back); }
.idle { color: var(--soft); background: var(--idle-back); }
.model { margin-top: 12px; padding: 12px 20px; }
.model h3 { margin: 0; font-size: 15px; overflow-wrap: anywhere; }
.model p { margin: 2px 0; font-size: 14px; color: var(--soft); }
.model code { color: var(--soft); font-size: 12px; }
.note { margin: 12px 0 0; font-size: 14px; color: var(--soft); }
article { margin-bottom: 16px; }
article header { display: flex; flex-wrap: wrap; gap: 2px 20px; align-items: baseline; margin-bottom: 12px; }
article h3 { margin: 0; font-size: 16px; overflow-wrap: anywhere; }
article header span { color: var(--soft); font-size: 14px; font-variant-numeric: tabular-nums; }
.row { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 6px; image-rendering: pixelated; }
figcaption { font-size: 14px; padding-top: 5px; overflow-wrap: anywhere; }
svg .area { fill: var(--area); }
svg .line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
svg .dot { fill: var(--accent); }
svg .marked { fill: var(--bad); stroke: var(--card); stroke-width: 2; }
svg .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
svg .limit-label { fill: var(--bad); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
td .pill { white-space: nowrap; }
@media print { article { break-inside: avoid; } }
"""
