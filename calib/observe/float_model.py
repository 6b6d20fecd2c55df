"""A float32 model as calibration reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import onnx

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_model
from layoutrt.operators import operator_of

_CONTROL_FLOW = ("If", "Loop", "Scan")


@dataclass(frozen=True)
class FloatModel:
    """A generator or segmenter in float32."""

    path: Path
    metadata: dict[str, str]
    kind: str
    """``"generator"`` or ``"segmenter"``."""
    label_set: LabelSet
    size: tuple[int, int]
    """(height, width) to calibrate at: the graph's, or that of the training where the graph takes any."""
    needs_instances: bool
    latent: int


def load_float_model(name_or_path: str | Path) -> tuple[FloatModel, onnx.ModelProto]:
    """Load a model that ``layoutrt export`` made.

    Args:
        name_or_path: ONNX file, or name of a shipped model.

    Returns:
        What it is, and its graph with the weights in it.

    Raises:
        LayoutRTError: it is none of ours, not in float32, half of a model, of a fixed batch, or holds an
            operator that neither target's quantization knows.
    """
    path = resolve_model(name_or_path)
    try:
        proto = onnx.load(path)
    except Exception as error:  # protobuf and onnx raise types of their own
        raise LayoutRTError(f"{path} is no ONNX model that can be read ({error}); export it again") from None
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    _check(path, metadata)
    _check_operators(path, proto)
    batch = proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if batch > 1:
        raise LayoutRTError(f"{path} takes {batch} inputs a run; export it without --batch to calibrate it")
    config = json.loads(metadata["layoutrt.config"])
    size = (int(config["image_height"]), int(config["image_width"]))
    dims = proto.graph.input[0].type.tensor_type.shape.dim[1:3]
    if all(dim.dim_value for dim in dims):
        size = (dims[0].dim_value, dims[1].dim_value)
    facts = FloatModel(
        path,
        metadata,
        metadata["layoutrt.kind"],
        LabelSet.from_json(metadata["layoutrt.label_set"]),
        size,
        bool(config.get("instance_edges", False)),
        int(config.get("latent", 0)),
    )
    return facts, proto


def _check(path: Path, metadata: dict[str, str]) -> None:
    kind, precision = metadata.get("layoutrt.kind"), metadata.get("layoutrt.precision")
    if kind not in ("generator", "segmenter"):
        raise LayoutRTError(
            f"{path} is not a generator or segmenter of layoutrt; make it with layoutrt export"
        )
    if precision != "fp32":
        raise LayoutRTError(f"{path} has the precision {precision}; calibrate the fp32 file it was made from")
    if "layoutrt.render_file" in metadata:
        raise LayoutRTError(f"{path} is half of a model; export it without --cache-layout to calibrate it")


def _check_operators(path: Path, proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        foreign = node.domain not in ("", "ai.onnx") and operator_of(node) is None
        if foreign or node.op_type in _CONTROL_FLOW:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise LayoutRTError(
                f"{path} has the operator {name} (node '{node.name}'), for which calibration has no rule; "
                "export the model with layoutrt export"
            )
