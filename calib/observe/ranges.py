"""Ranges of a float model's activations, measured on representative inputs.

Every wanted tensor is reduced to its minimum and maximum inside the graph, so that memory does not grow with
the number of inputs and no activation leaves the runtime.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from layoutrt.calib.observe.intermediate_outputs import (
    applied_kernels_nodes,
    intermediate_session,
    last_first,
)
from layoutrt.errors import LayoutRTError

NO_INPUTS = "calibration needs at least one input; give --data a folder that holds layouts"


class Range(NamedTuple):
    """Smallest and largest value that a tensor had."""

    low: float
    high: float


def not_finite(tensor: str) -> str:
    """The error for a tensor with an infinity or NaN."""
    return f"the tensor {tensor} of the model is not finite; calibrate a model that works"


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
        tensors: names of float tensors of the graph, and of `intermediate_outputs.applied_kernels`.
        inputs: arguments of `Session.run`, one after another.
        threads: number of threads of one run; None for one per processor.

    Raises:
        LayoutRTError: there are no inputs, or one does not fit the model, or a tensor is not finite.
    """
    wanted = list(dict.fromkeys(tensors))
    found: dict[str, Range] = {}
    nodes, outputs = applied_kernels_nodes(model, wanted), []
    for name in last_first(wanted):
        for what, reduce in (("low", "ReduceMin"), ("high", "ReduceMax")):
            output = f"{name}_{what}"
            nodes.append(helper.make_node(reduce, [name], [output], keepdims=0))
            outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    with intermediate_session(model, nodes, outputs, threads=threads) as session:
        for arguments in inputs:
            measured = session.run(**arguments)
            for name in wanted:
                low, high = (float(measured[f"{name}_{what}"]) for what in ("low", "high"))
                if not (math.isfinite(low) and math.isfinite(high)):
                    raise LayoutRTError(not_finite(name))
                before = found.get(name, Range(low, high))
                found[name] = Range(min(low, before.low), max(high, before.high))
    if not found:
        raise LayoutRTError(NO_INPUTS)
    return found
