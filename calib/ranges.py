"""Ranges of a float model's activations, measured on representative inputs.

Every wanted tensor is reduced to its minimum and maximum inside the graph, so that memory does not grow with
the number of inputs and no activation leaves the runtime.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from layoutrt.errors import LayoutRTError
from layoutrt.operators import DOMAIN, gated_predicted_conv, predicted_conv
from layoutrt.runtime.session import Session


class Range(NamedTuple):
    """Smallest and largest value that a tensor had."""

    low: float
    high: float


def collect_ranges(
    model: onnx.ModelProto,
    tensors: Iterable[str],
    inputs: Iterable[dict[str, NDArray]],
    *,
    threads: int | None = None,
) -> dict[str, Range]:
    """Run the model on every input and keep the range of each tensor.

    Args:
        model: with its weights in it; not changed.
        tensors: names of float tensors of the graph, and of `applied_kernels`.
        inputs: arguments of `Session.run`, one after another.
        threads: of one run; None for one per processor.

    Raises:
        LayoutRTError: there are no inputs, or one does not fit the model, or a tensor is not finite.
    """
    wanted = list(dict.fromkeys(tensors))
    probe = _with_probes(model, wanted)
    found: dict[str, Range] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.onnx"
        onnx.save(probe, path, save_as_external_data=True, location="probe.data")
        with Session(path, threads=threads) as session:
            for arguments in inputs:
                lows, highs = (session.run(**arguments)[name] for name in ("lows", "highs"))
                for name, low, high in zip(wanted, lows.tolist(), highs.tolist(), strict=True):
                    before = found.get(name, Range(low, high))
                    found[name] = Range(min(low, before.low), max(high, before.high))
    if not found:
        raise LayoutRTError("calibration needs at least one input; give --data a folder that holds layouts")
    for name, limits in found.items():
        if not np.isfinite(limits).all():
            raise LayoutRTError(f"the tensor {name} of the model is not finite; calibrate a model that works")
    return found


def applied_kernels(node: onnx.NodeProto) -> str:
    """Name for what a `GatedPredictedConv` node hands to its mixing convolution, which is no tensor of the
    graph."""
    return f"{node.output[0]}_applied_kernels"


def _with_probes(model: onnx.ModelProto, tensors: list[str]) -> onnx.ModelProto:
    """The model with two outputs: minima and maxima ``[len(tensors)]`` of the tensors."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    graph = probe.graph
    for node in model.graph.node:
        if node.op_type == gated_predicted_conv.NAME and applied_kernels(node) in tensors:
            graph.node.append(
                helper.make_node(predicted_conv.NAME, node.input[:6], [applied_kernels(node)], domain=DOMAIN)
            )
    for output, reduce in (("lows", "ReduceMin"), ("highs", "ReduceMax")):
        names = [f"{name}_{output}" for name in tensors]
        for name, reduced in zip(tensors, names, strict=True):
            graph.node.append(helper.make_node(reduce, [name], [f"{reduced}_scalar"], keepdims=0))
            graph.node.append(
                helper.make_node("Reshape", [f"{reduced}_scalar", f"{output}_shape"], [reduced])
            )
        graph.initializer.append(helper.make_tensor(f"{output}_shape", TensorProto.INT64, [1], [1]))
        graph.node.append(helper.make_node("Concat", names, [output], axis=0))
        graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [len(tensors)]))
    return probe
