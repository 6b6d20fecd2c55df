"""TensorRT's layers: `IProfiler`'s times with the engine inspector's description of each layer.

The inspector's JSON (``IEngineInspector.get_engine_information`` with ``LayerInformationFormat.JSON``) names
inputs, outputs and the nodes of the ONNX file of each layer where the engine was built with detailed
verbosity. Fields that differ between TensorRT 10 and 11 are not read.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.executed_node import ExecutedNode

_ORIGIN = re.compile(r"\[ONNX Layer: ([^\]]+)\]")
_TYPES = (
    (re.compile(r"float32|fp32|\bfloat\b", re.IGNORECASE), "float", 4),
    (re.compile(r"float16|fp16|half", re.IGNORECASE), "float16", 2),
    (re.compile(r"uint8", re.IGNORECASE), "uint8", 1),
    (re.compile(r"int8", re.IGNORECASE), "int8", 1),
    (re.compile(r"int64", re.IGNORECASE), "int64", 8),
    (re.compile(r"int32", re.IGNORECASE), "int32", 4),
    (re.compile(r"bool", re.IGNORECASE), "bool", 1),
)


def fold_tensorrt(times_ms: Sequence[Mapping[str, float]], inspector_json: str) -> list[ExecutedNode]:
    """The layers of an engine in the order of the inspector.

    Args:
        times_ms: for each run, the times that ``IProfiler.report_layer_time`` received, by the layer's name.
        inspector_json: the inspector's description of the engine.

    Returns:
        Layers that the profiler named; those that were not run on their own are left out.

    Raises:
        LayoutRTError: no run was profiled, or the engine was built without detailed profiling verbosity.
    """
    if not times_ms:
        raise LayoutRTError("TensorRT's profiler saw no run; run the engine before its layers are read")
    try:
        described = json.loads(inspector_json)["Layers"]
    except (ValueError, KeyError, TypeError):
        described = [""]
    if any(not isinstance(layer, dict) for layer in described):
        raise LayoutRTError(
            "the engine does not describe its layers; build it with profiling verbosity DETAILED "
            "(layoutrt build-engine)"
        )
    nodes: list[ExecutedNode] = []
    clock = 0.0
    for layer in described:
        name = layer["Name"]
        times = [run[name] for run in times_ms if name in run]
        if not times:
            continue
        outputs = [_tensor(tensor) for tensor in layer.get("Outputs", [])]
        inputs = [_tensor(tensor) for tensor in layer.get("Inputs", [])]
        element = inputs[0][0] if inputs else outputs[0][0] if outputs else ""
        weights = _weight_bytes(layer)
        moved = sum(size for _, size in (*inputs, *outputs)) + weights
        origins = tuple(_ORIGIN.findall(layer.get("Metadata", "")))
        nodes.append(
            ExecutedNode(
                name,
                layer.get("ParameterType", layer.get("LayerType", "")),
                element,
                moved,
                clock,
                times,
                origins,
            )
        )
        clock += statistics.median(times)
    return nodes


def _tensor(tensor: Mapping[str, Any]) -> tuple[str, int]:
    """Element type by ONNX's name, and size in bytes."""
    text = str(tensor.get("Format/Datatype", tensor.get("Format", "")))
    for pattern, name, size in _TYPES:
        if pattern.search(text):
            return name, size * math.prod(tensor.get("Dimensions", []))
    return "", 0


def _weight_bytes(layer: Mapping[str, Any]) -> int:
    found = 0
    for key in ("Weights", "Bias"):
        weights = layer.get(key)
        if isinstance(weights, dict):
            size = {"Float": 4, "Half": 2, "Int8": 1, "FP8": 1}.get(str(weights.get("Type")), 4)
            found += size * int(weights.get("Count", 0))
    return found
