"""From a float model and representative data to a model with 8-bit convolutions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import onnx

from layoutrt.calib.calibration_inputs import generator_inputs, segmenter_inputs
from layoutrt.calib.int8 import quantize, tensors_to_measure
from layoutrt.calib.ranges import collect_ranges
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_model
from layoutrt.onnx_file import save_model


@dataclass(frozen=True)
class Calibration:
    """What was written."""

    path: Path
    operators: dict[str, int]
    """How many nodes of each operator compute in 8 bits."""
    float_convolutions: int
    """Convolutions that stayed in float."""


def calibrate(
    model: str | Path,
    data: str,
    out: str | Path,
    *,
    frames: int = 64,
    keep: Collection[str] = (),
    threads: int | None = None,
) -> Calibration:
    """Measure the ranges of a float model's activations and write it with 8-bit convolutions.

    Args:
        model: ONNX file written by ``layoutrt export``, or name of a shipped model.
        data: layouts (a folder, a file or ``drive:N``) for a generator, a folder of images for a segmenter.
        out: the ONNX file to write.
        frames: at most so many inputs, evenly spread over the data.
        keep: names of nodes that stay in float.
        threads: of one run; None for one per processor.

    Raises:
        LayoutRTError: the model is none of ours or not in float32, or the data do not fit.
    """
    path = resolve_model(model)
    graph = onnx.load(path)
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    _check(path, metadata)
    unknown = set(keep) - {node.name for node in graph.graph.node}
    if unknown:
        raise LayoutRTError(f"{path} has no node '{min(unknown)}'; give the name of one of its ONNX nodes")
    config = json.loads(metadata["layoutrt.config"])
    size = (int(config["image_height"]), int(config["image_width"]))
    if metadata["layoutrt.size"] and not graph.graph.input[0].type.tensor_type.shape.dim[1].dim_param:
        height, width = metadata["layoutrt.size"].split("x")
        size = (int(height), int(width))
    if metadata["layoutrt.kind"] == "segmenter":
        inputs = segmenter_inputs(data, frames, size)
    else:
        labels = LabelSet.from_json(metadata["layoutrt.label_set"])
        inputs = generator_inputs(
            data, frames, labels, size, instances=config["instance_edges"], latent=config["latent"]
        )
    ranges = collect_ranges(graph, tensors_to_measure(graph, keep), inputs, threads=threads)
    quantized = quantize(graph, ranges, keep)
    onnx.helper.set_model_props(quantized, metadata | {"layoutrt.precision": "int8"})
    counts = Counter(node.op_type for node in quantized.graph.node if node.op_type.startswith("Quantized"))
    floats = {tensor.name for tensor in graph.graph.initializer}
    convolutions = [node for node in quantized.graph.node if node.op_type == "Conv"]
    in_float = sum(node.input[1] in floats for node in convolutions)
    counts["Conv"] = len(convolutions) - in_float
    save_model(quantized, out)
    return Calibration(Path(out), dict(counts), in_float)


def _check(path: Path, metadata: dict[str, str]) -> None:
    kind, precision = metadata.get("layoutrt.kind"), metadata.get("layoutrt.precision")
    if kind not in ("generator", "segmenter"):
        raise LayoutRTError(f"{path} is no generator or segmenter of layoutrt; make it with layoutrt export")
    if precision != "fp32":
        raise LayoutRTError(f"{path} has the precision {precision}; calibrate the fp32 file it was made from")
    if "layoutrt.render_file" in metadata:
        raise LayoutRTError(f"{path} is half of a model; export it without --cache-layout to calibrate it")
