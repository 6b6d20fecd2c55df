"""A float32 model as calibration reads it."""

from __future__ import annotations

from pathlib import Path

import onnx

from layoutrt.artifacts.model_info import GENERATOR, SEGMENTER, ModelInfo, onnx_model_info
from layoutrt.errors import LayoutRTError
from layoutrt.graph.onnx_file import read_onnx
from layoutrt.models import resolve_model
from layoutrt.operators import operator_of

_CONTROL_FLOW = ("If", "Loop", "Scan")


def load_float_model(name_or_path: str | Path) -> tuple[ModelInfo, onnx.ModelProto]:
    """Load a model that ``layoutrt export`` made.

    Args:
        name_or_path: ONNX file, or name of a shipped model.

    Returns:
        Its description, and its graph with the weights in it.

    Raises:
        LayoutRTError: it is none of ours, not in float32, half of a model, of a fixed batch, or holds an
            operator that neither target's quantization knows.
    """
    path = resolve_model(name_or_path)
    proto = read_onnx(path, weights=True)
    info = onnx_model_info(path, proto)
    if info.kind not in (GENERATOR, SEGMENTER):
        raise LayoutRTError(
            f"{path} is a {info.kind}, and calibration is for generators and segmenters; "
            "give one of layoutrt export"
        )
    if info.precision != "fp32":
        raise LayoutRTError(
            f"{path} has the precision {info.precision}; calibrate the fp32 file it was made from"
        )
    if info.render_file:
        raise LayoutRTError(f"{path} is half of a model; export it without --cache-layout to calibrate it")
    _check_operators(path, proto)
    if (info.batch or 1) > 1:
        raise LayoutRTError(
            f"{path} takes {info.batch} inputs a run; export it without --batch to calibrate it"
        )
    return info, proto


def _check_operators(path: Path, proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        foreign = node.domain not in ("", "ai.onnx") and operator_of(node) is None
        if foreign or node.op_type in _CONTROL_FLOW:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            raise LayoutRTError(
                f"{path} has the operator {name} (node '{node.name}'), for which calibration has no rule; "
                "export the model with layoutrt export"
            )
