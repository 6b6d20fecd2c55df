"""The ONNX file that an engine is built from: one that was placed for TensorRT, and keeps to its rules."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_model

from layoutrt.calib.trt.parser_rules import violations
from layoutrt.errors import LayoutRTError
from layoutrt.graph.onnx_file import weights_path
from layoutrt.models import resolve_model

_TOLD = 5
"""Number of broken rules that the error describes."""


def read_engine_model(name_or_path: str | Path) -> tuple[Path, onnx.ModelProto, dict[str, str]]:
    """A model with its weights.

    Args:
        name_or_path: file that ``layoutrt calibrate --target tensorrt`` wrote, by path or shipped name.

    Returns:
        Its path, the model, and its metadata.

    Raises:
        LayoutRTError: it is another file, or breaks a rule of TensorRT's parser.
    """
    path = resolve_model(name_or_path)
    if path.suffix == ".engine":
        raise LayoutRTError(f"{path} is an engine already; give the .onnx file that it was built from")
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError):
        model = onnx.ModelProto()
    except OSError as error:
        raise LayoutRTError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not model.graph.node:
        raise LayoutRTError(f"{path} is truncated or not an ONNX model; copy or calibrate it again")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    target = metadata.get("layoutrt.target")
    if target != "tensorrt":
        if "layoutrt.kind" not in metadata:
            raise LayoutRTError(
                f"{path} was not made by layoutrt; export and calibrate a generator or segmenter"
            )
        is_for, source = "is the export in float32", str(name_or_path)
        if target:
            is_for, source = f"was calibrated for {target}", "FLOAT.onnx"
        raise LayoutRTError(
            f"{path} {is_for}, and TensorRT needs the graph that is placed for it: "
            f"layoutrt calibrate {source} --data LAYOUTS --out {path.stem}.trt.onnx --target tensorrt "
            "(with --precision fp16 for no 8 bits)"
        )
    if "layoutrt.render_file" in metadata or "layoutrt.layout_file" in metadata:
        raise LayoutRTError(
            f"{path} is a part of a model in two files, which engines cannot be; export it without "
            "--cache-layout and calibrate it again"
        )
    try:
        load_external_data_for_model(model, str(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError):
        raise LayoutRTError(
            f"the weights {weights_path(path)} of {path} are missing or truncated; copy both files again"
        ) from None
    broken = violations(model)
    if broken:
        more = f"; and {len(broken) - _TOLD} more" if len(broken) > _TOLD else ""
        raise LayoutRTError(
            f"TensorRT would not take {path}: {'; '.join(broken[:_TOLD])}{more}; calibrate the float model "
            "again with this version of layoutrt"
        )
    return path, model, metadata
