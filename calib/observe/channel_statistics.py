"""Statistics of the channels of a float model's activations, measured on representative inputs.

Every wanted tensor is reduced inside the graph to two numbers a channel, so that memory does not grow with
the number of inputs and no activation leaves the runtime.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from layoutrt.calib.observe.intermediate_outputs import (
    applied_kernels_nodes,
    intermediate_session,
    last_first,
)
from layoutrt.calib.observe.ranges import NO_INPUTS, Range, not_finite
from layoutrt.errors import LayoutRTError

_REDUCTIONS = {"low": "ReduceMin", "high": "ReduceMax"}


@dataclass(frozen=True)
class ChannelStatistics:
    """Statistics of one tensor ``[N, C, H, W]`` over all inputs; each float32 ``[C]``."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @property
    def largest(self) -> NDArray[np.float32]:
        """The largest magnitude of each channel, float32 ``[C]``."""
        return np.maximum(-self.low, self.high)

    @property
    def range(self) -> Range:
        """The range of all channels together."""
        return Range(float(self.low.min()), float(self.high.max()))

    def divided(self, scales: NDArray[np.float32]) -> ChannelStatistics:
        """Statistics of the tensor once its channels are divided by ``scales``, positive float32 ``[C]``."""
        return ChannelStatistics(self.low / scales, self.high / scales)


def collect_channel_statistics(
    model: onnx.ModelProto,
    tensors: Iterable[str],
    inputs: Iterable[dict[str, NDArray]],
    *,
    threads: int | None = None,
) -> dict[str, ChannelStatistics]:
    """Run the model on every input and keep the statistics of each tensor.

    Args:
        model: with its weights in it; not changed.
        tensors: names of float tensors ``[N, C, H, W]`` of the graph, and of
            `intermediate_outputs.applied_kernels`.
        inputs: arguments of `Session.run`, one after another.
        threads: number of threads of one run; None for one per processor.

    Raises:
        LayoutRTError: there are no inputs, or one does not fit the model, or a tensor is not finite.
    """
    wanted = list(dict.fromkeys(tensors))
    found: dict[str, ChannelStatistics] = {}
    nodes, outputs = _reductions(wanted)
    axes = helper.make_tensor("reduced_axes", TensorProto.INT64, [3], [0, 2, 3])
    nodes = applied_kernels_nodes(model, wanted) + nodes
    with intermediate_session(model, nodes, outputs, [axes], threads=threads) as session:
        for arguments in inputs:
            measured = session.run(**arguments)
            for name in wanted:
                low, high = (measured[f"{name}_{what}"] for what in _REDUCTIONS)
                if not (np.isfinite(low).all() and np.isfinite(high).all()):
                    raise LayoutRTError(not_finite(name))
                if name in found:
                    low, high = np.minimum(found[name].low, low), np.maximum(found[name].high, high)
                found[name] = ChannelStatistics(low, high)
    if not found:
        raise LayoutRTError(NO_INPUTS)
    return found


def _reductions(tensors: list[str]) -> tuple[list[onnx.NodeProto], list[onnx.ValueInfoProto]]:
    nodes, outputs = [], []
    for name in last_first(tensors):
        for what, reduce in _REDUCTIONS.items():
            output = f"{name}_{what}"
            nodes.append(helper.make_node(reduce, [name, "reduced_axes"], [output], keepdims=0))
            outputs.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [None]))
    return nodes, outputs
