"""Measuring a calibration table, or finding the one that was measured before."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx

from layoutrt.artifacts.model_info import ModelInfo
from layoutrt.calib.equalize.equalized_model import EqualizedModel, equalized_model
from layoutrt.calib.fp16.accumulations import collect_accumulations
from layoutrt.calib.fp16.fp32_fallback import float_tensors
from layoutrt.calib.observe.calibration_inputs import CalibrationInputs
from layoutrt.calib.observe.channel_statistics import collect_channel_statistics
from layoutrt.calib.observe.histograms import collect_clipped_ranges
from layoutrt.calib.observe.ranges import collect_ranges
from layoutrt.calib.observe.table import CalibrationTable, Half, MeasuredTensor, Source, read_table
from layoutrt.calib.ort.quantizer import tensors_to_measure
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.errors import LayoutRTError
from layoutrt.files import file_digest
from layoutrt.graph.onnx_file import weights_path

METHODS = ("minmax", "entropy", "percentile")


def source_of(model: ModelInfo, inputs: CalibrationInputs, method: str, percentile: float) -> Source:
    """Fingerprint of a calibration run.

    Raises:
        LayoutRTError: the inputs cannot be read.
    """
    sha256, frames = inputs.digest()
    bounds = percentile if method == "percentile" else None
    return Source(model_digest(model.path), sha256, frames, method, bounds)


def model_digest(path: Path) -> str:
    """SHA-256 of an ONNX file; where its weights lie apart, of both files' digests."""
    weights = weights_path(path)
    if not weights.is_file():
        return file_digest(path)
    return hashlib.sha256(f"{file_digest(path)} {file_digest(weights)}".encode()).hexdigest()


def find_table(path: Path, source: Source) -> CalibrationTable | None:
    """The table of an earlier run.

    Returns:
        None if the file does not exist.

    Raises:
        LayoutRTError: the file is not a table, or is the table of something else.
    """
    if not path.exists():
        return None
    table = read_table(path)
    difference = table.source.difference(source)
    if difference:
        raise LayoutRTError(
            f"{path} was measured on {difference}; measure again with --recalibrate, or name another --table"
        )
    return table


def measure(
    proto: onnx.ModelProto, inputs: CalibrationInputs, source: Source, *, threads: int | None = None
) -> tuple[CalibrationTable, EqualizedModel]:
    """Run a float model on the inputs, and equalize it; ranges by histograms are of the equalized model.

    Raises:
        LayoutRTError: there are no inputs, or a tensor is not finite.
    """
    wanted = tensors_to_measure(proto)
    channels = collect_channel_statistics(proto, wanted, inputs, threads=threads)
    equalized = equalized_model(proto, channels)
    if source.method == "minmax":
        tensors = {name: MeasuredTensor(equalized.ranges[name], channels[name]) for name in wanted}
        return CalibrationTable(source, tensors), equalized
    clipped = collect_clipped_ranges(
        equalized.proto,
        equalized.ranges,
        inputs,
        method=source.method,
        percentile=source.percentile or 100.0,
        threads=threads,
    )
    tensors = {
        name: MeasuredTensor(clipped[name].range, channels[name], clipped[name].histogram_sha256)
        for name in wanted
    }
    table = CalibrationTable(source, tensors)
    return table, equalized.with_ranges(table.ranges)


def measure_half(equalized: EqualizedModel, inputs: CalibrationInputs, *, threads: int | None = None) -> Half:
    """Measure what 16-bit floating point would have to hold, on the graph as TensorRT takes it.

    Raises:
        LayoutRTError: there are no inputs, or a tensor is not finite.
    """
    lowered = lower(equalized.proto)
    ranges = collect_ranges(for_onnxruntime(lowered), float_tensors(lowered), inputs, threads=threads)
    return Half(
        {name: max(-limits.low, limits.high) for name, limits in ranges.items()},
        collect_accumulations(lowered, inputs, threads=threads),
    )
