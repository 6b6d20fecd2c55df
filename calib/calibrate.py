"""Calibration: from a float model and data to a model of lower precision with its measured accuracy drop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from layoutrt.artifacts.model_info import ONNXRUNTIME, TENSORRT
from layoutrt.calib import lower_precision
from layoutrt.calib.equalize.equalized_model import EqualizedModel
from layoutrt.calib.measured_model import measured_model
from layoutrt.calib.measurement import METHODS
from layoutrt.calib.observe.table import CalibrationTable
from layoutrt.calib.quality.budget import Budget, layers_to_keep
from layoutrt.calib.quality.evaluator import AccuracyDrop, Evaluator
from layoutrt.calib.quality.speed import Speed, compare_speed
from layoutrt.calib.sensitivity import rank_layers
from layoutrt.calib.trt.decompositions import origin
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.errors import LayoutRTError
from layoutrt.files import check_not_inputs, file_digest
from layoutrt.graph.onnx_file import save_model, weights_path
from layoutrt.models import resolve_model

TARGETS = {"ort": ONNXRUNTIME, "tensorrt": TENSORRT}
"""Targets by the name on the command line, with their names in the files' metadata."""
PRECISIONS = ("int8", "fp16")
FEW_FRAMES = 32
"""Fewer say too little of what activations may be."""
EVALUATION_FRAMES = 16

Track = Callable[[Sequence[str]], Iterable[str]]


@dataclass(frozen=True)
class Calibration:
    """The files written and their quality."""

    path: Path
    table: Path
    table_reused: bool
    operators: dict[str, int]
    """Number of nodes of each operator that compute in 8 bits."""
    float_layers: list[str]
    """Layers of an INT8 model that stayed in floating point."""
    fp32_fallback: dict[str, str]
    """Nodes of an FP16 graph that compute in float32, and why."""
    accuracy_drop: AccuracyDrop
    speed: Speed | None
    """Beside the float model; None for what ONNX Runtime does not run."""
    frames: int
    """Number of inputs that ranges were measured on."""

    @property
    def size_bytes(self) -> int:
        """Size of the file, with that of its weights where they have one of their own."""
        weights = weights_path(self.path)
        return self.path.stat().st_size + (weights.stat().st_size if weights.is_file() else 0)


def calibrate(
    model: str | Path,
    data: str,
    out: str | Path,
    *,
    method: str = "minmax",
    percentile: float = 99.99,
    frames: int = 64,
    target: str = "ort",
    precision: str = "int8",
    keep: Collection[str] = (),
    budget: Budget | None = None,
    segmenter: str | Path | None = None,
    table: str | Path | None = None,
    recalibrate: bool = False,
    threads: int | None = None,
    track: Track = iter,
) -> Calibration:
    """Measure a float model's activations and write it in a lower precision.

    Args:
        model: ONNX file written by ``layoutrt export``, or name of a shipped model.
        data: layouts (a folder, a file or ``drive:N``) for a generator, a folder of images for a segmenter;
            or a folder with ``labels/`` and ``images/``.
        out: the ONNX file to write.
        method: choice of a tensor's range: ``"minmax"``, ``"entropy"`` or ``"percentile"``.
        percentile: share of the values inside the range in %, for that method.
        frames: most inputs to measure, evenly spread over the data.
        target: ``"ort"`` (ONNX Runtime) or ``"tensorrt"``.
        precision: ``"int8"`` or ``"fp16"``.
        keep: names of nodes that stay in floating point.
        budget: keep further layers in floating point so that the accuracy drops by no more than this.
        segmenter: segmenter that labels a generator's images; the shipped one by default, if it knows
            the labels.
        table: file of the measurements; ``NAME.calibration.json`` beside ``out`` by default.
        recalibrate: measure again, whatever the table holds.
        threads: number of threads of one run; None for one per processor.
        track: wraps the layers that a budget has ranked, for a progress bar.

    Raises:
        LayoutRTError: the model is none of ours or not in float32, the data do not fit, the table is of
            something else, or the budget cannot be kept to. Then no model is written.
    """
    _check_arguments(method, percentile, target, precision, keep, budget)
    check_not_inputs([out], [resolve_model(model), *([table] if table else [])])
    measured, equalized = measured_model(
        model,
        data,
        table=Path(table) if table else None,
        beside=Path(out),
        method=method,
        percentile=percentile,
        frames=frames,
        half=precision == "fp16" or target == "tensorrt",
        # Q/DQ insertion for TensorRT rounds weights itself; a budget ranks layers as ONNX Runtime runs them.
        rounding=precision == "int8" and (target == "ort" or budget is not None),
        recalibrate=recalibrate,
        eval_frames=EVALUATION_FRAMES,
        segmenter=segmenter,
        layers=keep,
        threads=threads,
    )
    evaluator, layers = measured.evaluator, list(lower_precision.quantizable_layers(equalized.proto))
    if budget:
        kept = [*keep, *_within(budget, equalized, measured.table, target, evaluator, keep, track)]
    else:
        kept = list(keep)
    made, fp32_fallback = _quantized(equalized, measured.table, target, precision, kept)
    # Large models are not kept twice.
    del equalized
    drop = evaluator.accuracy_drop(_as_run_here(made, target))
    in_8_bits = _quantized_nodes(made)
    counts = Counter(node.op_type for node in in_8_bits)
    names = {name for node in in_8_bits for name in (node.name, origin(node))}
    own = {entry.key: entry.value for entry in made.metadata_props}
    in_float = [name for name in layers if name not in names] if precision == "int8" else []
    source = measured.table.source
    facts = {
        "method": source.method,
        "percentile": source.percentile,
        "frames": source.frames,
        "table_sha256": file_digest(measured.path),
        "float_layers": in_float,
    }
    onnx.helper.set_model_props(
        made,
        own
        | dict(measured.model.metadata)
        | {
            "layoutrt.precision": precision,
            "layoutrt.target": TARGETS[target],
            "layoutrt.calibration": json.dumps(facts),
            "layoutrt.damage": json.dumps(drop.to_json()),
        },
    )
    save_model(made, out)
    speed = None
    if target == "ort":
        arguments = next(iter(measured.inputs))
        speed = compare_speed(measured.model.path, Path(out), arguments, threads=threads)
    return Calibration(
        path=Path(out),
        table=measured.path,
        table_reused=measured.reused,
        operators=dict(counts),
        float_layers=in_float,
        fp32_fallback=fp32_fallback,
        accuracy_drop=drop,
        speed=speed,
        frames=source.frames,
    )


def _within(
    budget: Budget,
    model: EqualizedModel,
    table: CalibrationTable,
    target: str,
    evaluator: Evaluator,
    keep: Collection[str],
    track: Track,
) -> list[str]:
    """Further layers that have to stay in float."""

    def drop_with(names: Sequence[str]) -> AccuracyDrop:
        # Quantized for the target itself: the two targets' levels differ.
        made, _ = _quantized(model.copy(), table, target, "int8", [*keep, *names])
        return evaluator.accuracy_drop(_as_run_here(made, target))

    ranked = [layer.node for layer in rank_layers(model, evaluator, track=track) if layer.node not in keep]
    return layers_to_keep(budget, ranked, drop_with)


def _quantized(
    model: EqualizedModel, table: CalibrationTable, target: str, precision: str, keep: Collection[str]
) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model of lower precision, and its nodes in float32 with the reason."""
    if precision == "int8" and target == "ort":
        return lower_precision.int8_for_onnxruntime(model, keep), {}
    assert table.half is not None, "measured where FP16 is asked for"
    if precision == "int8":
        return lower_precision.int8_for_tensorrt(model, table.half, keep)
    if target == "tensorrt":
        return lower_precision.half_for_tensorrt(model, table.half)
    return lower_precision.half_for_onnxruntime(model, table.half)


def _as_run_here(model: onnx.ModelProto, target: str) -> onnx.ModelProto:
    return for_onnxruntime(model) if target == "tensorrt" else model


def _quantized_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Nodes that multiply 8-bit weights."""
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return [
        node
        for node in model.graph.node
        if node.op_type.startswith("Quantized") or (node.op_type == "Conv" and node.input[1] in dequantized)
    ]


def _check_arguments(
    method: str,
    percentile: float,
    target: str,
    precision: str,
    keep: Collection[str],
    budget: Budget | None,
) -> None:
    for what, value, known in (
        ("method", method, METHODS),
        ("target", target, tuple(TARGETS)),
        ("precision", precision, PRECISIONS),
    ):
        if value not in known:
            raise LayoutRTError(f"--{what} {value} is not known; choose from {', '.join(known)}")
    if not 50 < percentile <= 100:
        raise LayoutRTError(
            f"--percentile {percentile:g} is not above 50 and up to 100; give one such as 99.99"
        )
    if precision == "fp16" and (keep or budget):
        raise LayoutRTError(
            "--keep and --budget choose layers for 8 bits; leave them out with --precision fp16, "
            "which finds by itself what has to stay in float32"
        )
