"""The operators of the ONNX domain ``layoutrt``, version 1, each defined once.

``layoutrt/operators/NAME.py`` holds an operator's record (`layoutrt.operators.operator.Operator`: schema,
body, cost, types, plugin) and needs onnx alone; `layoutrt.operators.torch` holds what computes it in torch.
Code that lists operators reads `operators`. Importing this package imports neither onnx nor torch.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

    from layoutrt.operators.operator import Operator

DOMAIN = "layoutrt"
"""ONNX domain of the operators."""

VERSION = 1
"""Version of the operator set in that domain."""

BODY_OPSET = 20
"""Version of the standard operators that the function bodies use."""

MODULES = (
    "conv_to_image",
    "layout_conv",
    "spatially_varying_conv",
    "predicted_conv",
    "gated_predicted_conv",
    "quantized_predicted_conv",
    "quantized_gated_predicted_conv",
)
"""Modules of this package that define an operator, each after those whose operators its body calls."""


@functools.cache
def operators() -> Mapping[str, Operator]:
    """All operators by name, in the order of `MODULES`."""
    modules = [importlib.import_module(f"{__name__}.{name}") for name in MODULES]
    records = [getattr(module, name.upper()) for module, name in zip(modules, MODULES, strict=True)]
    return MappingProxyType({record.name: record for record in records})


def operator_of(node: onnx.NodeProto) -> Operator | None:
    """The operator that a node is of; None for a standard operator and for one of another domain."""
    return operators().get(node.op_type) if node.domain == DOMAIN else None


def plugin_names() -> tuple[str, ...]:
    """Names of the operators that have a TensorRT plugin, sorted."""
    return tuple(sorted(name for name, operator in operators().items() if operator.plugin))
