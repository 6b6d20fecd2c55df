"""Our operators as plugins of TensorRT.

TensorRT's ONNX parser looks for a plugin by the node's operator and its attributes ``plugin_version`` and
``plugin_namespace`` (``FallbackPluginImporter`` in onnx-tensorrt's ``onnxOpImporters.cpp``); a node's domain
means nothing to it. A local function of the same name would be inlined in the plugin's place.
"""

from __future__ import annotations

import onnx
from onnx import helper

from layoutrt.operators import DOMAIN, operator_of
from layoutrt.operators.operator import Plugin

ATTRIBUTES = {"plugin_version": "1", "plugin_namespace": DOMAIN}


def plugin_of(node: onnx.NodeProto) -> Plugin | None:
    """Inputs of a node's plugin; None for a node that has none."""
    operator = operator_of(node)
    return operator.plugin if operator else None


def mark(node: onnx.NodeProto) -> None:
    """Write the attributes that the parser looks for."""
    unmark(node)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in ATTRIBUTES.items())


def unmark(node: onnx.NodeProto) -> None:
    """Remove the attributes that `mark` writes; our operators for ONNX Runtime do not have them."""
    kept = [attribute for attribute in node.attribute if attribute.name not in ATTRIBUTES]
    del node.attribute[:]
    node.attribute.extend(kept)
