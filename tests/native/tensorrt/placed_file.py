"""Runs a whole file for TensorRT: our operators by a function that is given, all else by ONNX.

What TensorRT computes itself is computed by ONNX's reference evaluator, in the types of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from layoutrt.operators import plugin_names

Compute = Callable[[onnx.NodeProto, list[np.ndarray]], np.ndarray]
"""Gives a node's output from its inputs."""


class ConvTranspose(OpRun):
    """With groups, which the reference evaluator's own does not know."""

    def _run(self, x, weight, *bias, **_):  # type: ignore[no-untyped-def]
        tensors = (torch.tensor(array).float() for array in (x, weight, *bias))
        y = torch.nn.functional.conv_transpose2d(*tensors, stride=self.strides, groups=self.group)
        return (y.numpy().astype(x.dtype),)


def run_placed_file(
    model: onnx.ModelProto, arguments: dict[str, np.ndarray], compute: Compute
) -> tuple[np.ndarray, list[str]]:
    """The first output, and the names of the nodes that ``compute`` computed."""
    computed: list[str] = []

    def run(self: Any, *inputs: np.ndarray, **_: Any) -> tuple[np.ndarray]:
        computed.append(self.onnx_node.name)
        return (compute(self.onnx_node, list(inputs)),)

    plugins = [type(name, (OpRun,), {"op_domain": "layoutrt", "_run": run}) for name in plugin_names()]
    evaluator = ReferenceEvaluator(model, new_ops=[ConvTranspose, *plugins])
    return evaluator.run(None, arguments)[0], computed
