"""Which layers 8 bits hurt: each quantized alone, the others in float."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from rich.table import Table

from layoutrt.calib.equalize.equalized_model import EqualizedModel
from layoutrt.calib.measured_model import measured_model
from layoutrt.calib.placement import int8_for_onnxruntime, quantizable_layers
from layoutrt.calib.quality.judge import Damage, Judge
from layoutrt.files import replacing
from layoutrt.report.bar_chart import Bar, bar_chart
from layoutrt.report.console_table import console_table

Track = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True)
class LayerSensitivity:
    """What one layer's 8 bits do to the output."""

    node: str
    operator: str
    weight: str
    """Name of its weight, which says where in the network it is."""
    share: float
    """Of the sum of all layers' errors, 0..1."""
    damage: Damage


@dataclass(frozen=True)
class Ranking:
    """All layers of a model, the most damaging first."""

    model: str
    layers: list[LayerSensitivity]
    together: Damage
    """With all of them in 8 bits."""
    files: tuple[Path, ...]
    """What was written."""


def rank_layers(model: EqualizedModel, judge: Judge, *, track: Track = iter) -> list[LayerSensitivity]:
    """Quantize each layer alone, as ONNX Runtime's placement does, and measure the damage.

    Args:
        model: not changed.
        judge: measures.
        track: wraps the names of the layers, for a progress bar.

    Returns:
        All layers, the most damaging first.
    """
    layers = quantizable_layers(model.proto)
    found = []
    for name in track(list(layers)):
        others = [other for other in layers if other != name]
        found.append((name, judge.damage(int8_for_onnxruntime(model.copy(), others))))
    total = sum(damage.error for _, damage in found) or 1.0
    ranked = [
        LayerSensitivity(name, layers[name].op_type, _weight(layers[name]), damage.error / total, damage)
        for name, damage in found
    ]
    return sorted(ranked, key=lambda layer: (-layer.damage.error, layer.node))


def rank_model(
    model: str | Path,
    data: str,
    out: str | Path,
    *,
    judged: int = 8,
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
        judged: frames that each layer is judged on, evenly spread over the data.
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
        judged=judged,
        rounding=True,
        segmenter=segmenter,
        threads=threads,
    )
    judge = measured.judge
    layers = rank_layers(equalized, judge, track=track)
    together = judge.damage(int8_for_onnxruntime(equalized))
    files = (out / "sensitivity.json", out / "sensitivity.svg")
    ranking = Ranking(measured.model.path.stem, layers, together, files)
    for path, text in zip(files, (_json(ranking), _svg(ranking)), strict=True):
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return ranking


def as_table(ranking: Ranking, rows: int) -> Table:
    """The most damaging layers, and what all of them do together."""
    generator = ranking.together.images is not None
    columns = ("PSNR dB", "shift", "mIoU") if generator else ("labels the same", "mIoU")
    title = f"{ranking.model}: each layer in 8 bits alone"
    table = console_table(title, ["layer"], [*columns, "of the error"])
    for layer in ranking.layers[:rows]:
        table.add_row(layer.node, *_numbers(layer.damage), f"{100 * layer.share:.1f} %")
    if len(ranking.layers) > rows:
        table.add_row(f"… and {len(ranking.layers) - rows} more")
    table.add_section()
    table.add_row("all together", *_numbers(ranking.together), "")
    return table


def _numbers(damage: Damage) -> list[str]:
    drop = "-" if damage.miou_drop is None else f"{-damage.miou_drop:+.2f}"
    if not damage.images:
        return [f"{100 * (damage.agreement or 0):.2f} %", drop]
    return [f"{damage.images.psnr:.1f}", f"{damage.images.largest_shift:+.2f}", drop]


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
                **layer.damage.to_json(),
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
                f"{layer.damage.psnr:.1f} dB"
                if generator
                else f"{100 * (layer.damage.agreement or 0):.2f} % of labels the same"
            ),
        )
        for layer in ranking.layers
    ]
    return bar_chart(
        f"{ranking.model}: which layers 8 bits hurt",
        ["Shares of the output's error, each layer alone in 8 bits.", f"All together: {ranking.together}."],
        bars,
    )
