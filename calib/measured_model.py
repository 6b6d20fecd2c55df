"""A float model with its calibration table, measured now or before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from onnx import numpy_helper

from layoutrt.artifacts.model_info import ModelInfo
from layoutrt.calib.equalize.equalized_model import EqualizedModel, equalized_model
from layoutrt.calib.lower_precision import quantizable_layers
from layoutrt.calib.measurement import find_table, measure, measure_half, source_of
from layoutrt.calib.observe.calibration_inputs import CalibrationInputs
from layoutrt.calib.observe.float_model import load_float_model
from layoutrt.calib.observe.patch_moments import collect_patch_moments
from layoutrt.calib.observe.table import CalibrationTable
from layoutrt.calib.quality.evaluator import Evaluator, default_segmenter
from layoutrt.calib.weight_rounding import round_rows
from layoutrt.errors import LayoutRTError
from layoutrt.files import check_not_inputs

ROUNDING_FRAMES = 32
"""Number of inputs that weights are rounded on: 512 patches of each, several times as many as a
patch has values."""


@dataclass(frozen=True)
class MeasuredModel:
    """A float model with its measured ranges: the start of calibration and of sensitivity analysis."""

    model: ModelInfo
    inputs: CalibrationInputs
    table: CalibrationTable
    evaluator: Evaluator
    path: Path
    """Path of the calibration table."""
    reused: bool
    """True where the table was there already, with all that is needed."""


def measured_model(
    model: str | Path,
    data: str,
    *,
    table: Path | None,
    beside: Path,
    method: str,
    percentile: float,
    frames: int,
    recalibrate: bool,
    eval_frames: int,
    segmenter: str | Path | None,
    half: bool = False,
    rounding: bool = False,
    layers: Collection[str] = (),
    threads: int | None = None,
) -> tuple[MeasuredModel, EqualizedModel]:
    """Load a model and its table; measure and write the table where there is none.

    Args:
        model: ONNX file, or name of a shipped model.
        data: data as for `calibrate.calibrate`.
        table: its file; ``NAME.calibration.json`` in the folder of ``beside`` by default.
        beside: file to be made, whose name and folder the table takes by default.
        method, percentile, frames, recalibrate, segmenter, threads: as of `calibrate.calibrate`.
        eval_frames: frames that models made of this one are evaluated on, at most.
        half: true if the magnitudes that FP16 has to hold are needed.
        rounding: true if weights are to be rounded on the data, for ONNX Runtime.
        layers: names that the model must have.

    Raises:
        LayoutRTError: the model or the data cannot be used, or the table is of something else.
    """
    float_model, proto = load_float_model(model)
    _check_layers(float_model, proto, layers)
    inputs = CalibrationInputs(data, frames, float_model)
    path = table or beside.parent / f"{float_model.path.stem}.calibration.json"
    check_not_inputs([path], [float_model.path], "--table")
    source = source_of(float_model, inputs, method, percentile)
    found = None if recalibrate else find_table(path, source)
    if segmenter is None and float_model.kind == "generator":
        segmenter = default_segmenter(float_model.label_set)
    evaluator = Evaluator(float_model, inputs, eval_frames, segmenter=segmenter, threads=threads)
    reused = found is not None
    if found is None:
        found, equalized = measure(proto, inputs, source, threads=threads)
    else:
        equalized = equalized_model(proto, found.channels, found.ranges)
    # The equalized model takes its place; large ones are not kept twice.
    del proto
    if rounding:
        equalized = _rounded(equalized, inputs, threads)
    if half and found.half is None:
        found = replace(found, half=measure_half(equalized, inputs, threads=threads))
        reused = False
    if not reused:
        found.save(path)
    return MeasuredModel(float_model, inputs, found, evaluator, path, reused), equalized


def _rounded(model: EqualizedModel, inputs: CalibrationInputs, threads: int | None) -> EqualizedModel:
    """The model with the weights of its convolutions as integers."""
    moments = collect_patch_moments(model.proto, inputs.some(ROUNDING_FRAMES), threads=threads)
    weights = {tensor.name: tensor for tensor in model.proto.graph.initializer}
    rounded = {
        node.input[1]: round_rows(numpy_helper.to_array(weights[node.input[1]]), moments[node.name])
        for node in model.proto.graph.node
        if node.name in moments
    }
    return replace(model, rounded=rounded)


def _check_layers(model: ModelInfo, proto: onnx.ModelProto, layers: Collection[str]) -> None:
    known = quantizable_layers(proto)
    for name in layers:
        if name not in known:
            raise LayoutRTError(
                f"{model.path} has no layer '{name}' that 8 bits could hold; "
                "layoutrt sensitivity names those it has"
            )
