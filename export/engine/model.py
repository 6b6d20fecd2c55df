"""The ONNX file that an engine is built from: one that was placed for TensorRT, and keeps to its rules."""

from __future__ import annotations

from pathlib import Path

import onnx

from layoutrt.artifacts.model_info import TENSORRT, ModelInfo, onnx_model_info
from layoutrt.calib.trt.parser_rules import violations
from layoutrt.errors import LayoutRTError
from layoutrt.graph.onnx_file import read_onnx
from layoutrt.models import resolve_model

_TOLD = 5
"""Number of broken rules that the error describes."""


def read_engine_model(name_or_path: str | Path) -> tuple[ModelInfo, onnx.ModelProto]:
    """A model with its weights.

    Args:
        name_or_path: file that ``layoutrt calibrate --target tensorrt`` wrote, by path or shipped name.

    Returns:
        Its description, and its graph with the weights in it.

    Raises:
        LayoutRTError: it is another file, or breaks a rule of TensorRT's parser.
    """
    path = resolve_model(name_or_path)
    if path.suffix == ".engine":
        raise LayoutRTError(f"{path} is an engine already; give the .onnx file that it was built from")
    model = read_onnx(path, weights=True)
    info = onnx_model_info(path, model)
    if info.target != TENSORRT:
        is_for, source = "is the export in float32", str(name_or_path)
        if info.target:
            is_for, source = f"was calibrated for {info.target}", "FLOAT.onnx"
        raise LayoutRTError(
            f"{path} {is_for}, and TensorRT needs the graph that is placed for it: "
            f"layoutrt calibrate {source} --data LAYOUTS --out {path.stem}.trt.onnx --target tensorrt "
            "(with --precision fp16 for no 8 bits)"
        )
    if info.render_file or info.layout_file:
        raise LayoutRTError(
            f"{path} is a part of a model in two files, which engines cannot be; export it without "
            "--cache-layout and calibrate it again"
        )
    broken = violations(model)
    if broken:
        more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
        raise LayoutRTError(
            f"TensorRT would not take {path}: {'; '.join(broken[:_TOLD])}{more}; calibrate the float model "
            "again with this version of layoutrt"
        )
    return info, model
