"""Sensitivity of each layer to 8 bits: quantized alone, the others in float."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from rich.table import Table

from layoutrt.calib.equalize.equalized_model import EqualizedModel
from layoutrt.calib.lower_precision import int8_for_onnxruntime, quantizable_layers
from layoutrt.calib.measured_model import measured_model
from layoutrt.calib.quality.evaluator import AccuracyDrop, Evaluator
from layoutrt.files import replacing
from layoutrt.report.bar_chart import Bar, bar_chart
from layoutrt.report.console_table import console_table

Track = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True)
class LayerSensitivity:
    """Effect of one layer's 8 bits on the output."""

    node: str
    operator: str
    weight: str
    """Name of its weight, which says where in the network it is."""
    share: float
    """Share of the sum of all layers' errors, 0..1."""
    accuracy_drop: AccuracyDrop


@dataclass(frozen=True)
class Ranking:
    """All layers of a model, the most sensitive first."""

    model: str
    layers: list[LayerSensitivity]
    together: AccuracyDrop
    """Accuracy drop with all of them in 8 bits."""
    files: tuple[Path, ...]
    """The ranking and the files written."""


def rank_layers(
    model: EqualizedModel, evaluator: Evaluator, *, track: Track = iter
) -> list[LayerSensitivity]:
    """Quantize each layer alone, as for ONNX Runtime, and measure the accuracy drop.

    Args:
        model: not changed.
        evaluator: measures the accuracy drop.
        track: wraps the names of the layers, for a progress bar.

    Returns:
        All layers, the most sensitive first.
    """
    layers = quantizable_layers(model.proto)
    found = []
    for name in track(list(layers)):
        others = [other for other in layers if other != name]
        found.append((name, evaluator.accuracy_drop(int8_for_onnxruntime(model.copy(), others))))
    total = sum(drop.error for _, drop in found) or 1.0
    ranked = [
        LayerSensitivity(name, layers[name].op_type, _weight(layers[name]), drop.error / total, drop)
        for name, drop in found
    ]
    return sorted(ranked, key=lambda layer: (-layer.accuracy_drop.error, layer.node))


def rank_model(
    model: str | Path,
    data: str,
    out: str | Path,
    *,
    eval_frames: int = 8,
    segmenter: str | Path | None = None,
    method: str = "minmax",
    percentile: float = 99.99,
    frames: int = 64,
    table: str | Path | None = None,
    recalibrate: bool = False,
    threads: int | None = None,
    track: Track = iter,
) -> Ranking:
    """Rank the layers of a model and write ``sensitivity.json`` and ``sensitivity.svg``.

    Args:
        out: the folder to write them to.
        eval_frames: frames that each layer is evaluated on, evenly spread over the data.
        model, data, segmenter, method, percentile, frames, table, recalibrate, threads, track: as of
            `calibrate.calibrate`.

    Raises:
        LayoutRTError: the model or the data cannot be used, or the table is of something else.
    """
    out = Path(out)
    measured, equalized = measured_model(
        model,
        data,
        table=Path(table) if table else None,
        beside=out / "sensitivity.json",
        method=method,
        percentile=percentile,
        frames=frames,
        recalibrate=recalibrate,
        eval_frames=eval_frames,
        rounding=True,
        segmenter=segmenter,
        threads=threads,
    )
    evaluator = measured.evaluator
    layers = rank_layers(equalized, evaluator, track=track)
    together = evaluator.accuracy_drop(int8_for_onnxruntime(equalized))
    files = (out / "sensitivity.json", out / "sensitivity.svg")
    ranking = Ranking(measured.model.path.stem, layers, together, files)
    for path, text in zip(files, (_json(ranking), _svg(ranking)), strict=True):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return ranking


def as_table(ranking: Ranking, rows: int) -> Table:
    """The most sensitive layers, and the effect of all of them together."""
    generator = ranking.together.images is not None
    columns = ("PSNR dB", "shift", "mIoU") if generator else ("labels the same", "mIoU")
    title = f"{ranking.model}: each layer in 8 bits alone"
    table = console_table(title, ["layer"], [*columns, "of the error"])
    for layer in ranking.layers[:rows]:
        table.add_row(layer.node, *_numbers(layer.accuracy_drop), f"{100 * layer.share:.1f} %")
    if len(ranking.layers) > rows:
        table.add_row(f"… and {len(ranking.layers) - rows} more")
    table.add_section()
    table.add_row("all together", *_numbers(ranking.together), "")
    return table


def _numbers(drop: AccuracyDrop) -> list[str]:
    miou = "-" if drop.miou_drop is None else f"{-drop.miou_drop:+.2f}"
    if not drop.images:
        return [f"{100 * (drop.agreement or 0):.2f} %", miou]
    return [f"{drop.images.psnr:.1f}", f"{drop.images.largest_shift:+.2f}", miou]


def _weight(node: onnx.NodeProto) -> str:
    return node.input[1] if node.op_type == "Conv" else node.input[2]


def _json(ranking: Ranking) -> str:
    values: dict[str, Any] = {
        "model": ranking.model,
        "together": ranking.together.to_json(),
        "layers": [
            {
                "node": layer.node,
                "operator": layer.operator,
                "weight": layer.weight,
                "share": round(layer.share, 5),
                **layer.accuracy_drop.to_json(),
            }
            for layer in ranking.layers
        ],
    }
    return json.dumps(values, indent=1) + "\n"


def _svg(ranking: Ranking) -> str:
    """Shares of the error as bars, with what each layer does alone beside its bar."""
    generator = ranking.together.images is not None
    bars = [
        Bar(
            layer.weight.removesuffix(".weight"),
            layer.operator,
            layer.share,
            f"{100 * layer.share:.1f} %, alone "
            + (
                f"{layer.accuracy_drop.psnr:.1f} dB"
                if generator
                else f"{100 * (layer.accuracy_drop.agreement or 0):.2f} % of labels the same"
            ),
        )
        for layer in ranking.layers
    ]
    return bar_chart(
        f"{ranking.model}: which layers 8 bits hurt",
        ["Shares of the output's error, each layer alone in 8 bits.", f"All together: {ranking.together}."],
        bars,
    )
