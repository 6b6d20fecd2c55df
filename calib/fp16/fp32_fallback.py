"""Nodes that stay in float32 because FP16 does not hold their values, found by measuring.

FP16 ends at 65504, and below 2**-14 it loses digits. A node falls back to float32 if something that it reads,
writes or adds up on the way leaves that range on the calibration data. No operator falls back by its name.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from layoutrt.calib.fp16.half import makes_any_float
from layoutrt.calib.observe.ranges import Range
from layoutrt.calib.observe.scales import LEVELS, SMALLEST_HALF, fits_half
from layoutrt.errors import LayoutRTError
from layoutrt.graph.element_types import element_types

SAFETY = 4
"""Factor by which values may get larger than on the calibration data. With 8 frames of CamVid measured,
tensors of the shipped models were up to 1.4 times as large on its other frames and up to 2.1 times on the
procedural drive; this is twice that. Between 16384 and 65504 numbers of FP16 are 16 to 32 apart, so little
is lost."""
LARGEST = float(np.finfo(np.float16).max) / SAFETY


def float_tensors(model: onnx.ModelProto) -> list[str]:
    """Activations in float, whose ranges `fp32_fallback` needs.

    Args:
        model: model of `lowering.lower`.
    """
    types = element_types(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    return [name for name, kind in types.items() if kind == TensorProto.FLOAT and name not in constants]


def fp32_fallback(
    model: onnx.ModelProto, ranges: dict[str, Range], accumulations: dict[str, float]
) -> dict[str, str]:
    """Nodes that must compute in float32, with the reasons.

    Args:
        model: model of `lowering.lower` or `qdq_insertion.insert_qdq`, in float32.
        ranges: ranges of the `float_tensors` of the lowered graph.
        accumulations: by node, of `accumulations.collect_accumulations`.

    Returns:
        A phrase with the number that decided, by name of the node.

    Raises:
        LayoutRTError: a range is missing.
    """
    search = _Search(model, ranges, accumulations)
    found = {node.name: search.reason(node) for node in model.graph.node}
    return {name: reason for name, reason in found.items() if reason}


class _Search:
    def __init__(
        self, model: onnx.ModelProto, ranges: dict[str, Range], accumulations: dict[str, float]
    ) -> None:
        self.ranges = ranges
        self.accumulations = accumulations
        self.types = element_types(model)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.dequantize = {
            node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"
        }

    def reason(self, node: onnx.NodeProto) -> str | None:
        """Reason why a node falls back; None if it does not."""
        if node.op_type == "Cast" or makes_any_float(node, self.types):
            # In the type of what they read, or of what reads them.
            return None
        for name in node.input:
            if self.types.get(name) == TensorProto.FLOAT and not self._is_region(node, name):
                reason = self._unfit(name)
                if reason:
                    return f"reads {reason}"
        for name in node.output:
            if self.types[name] == TensorProto.FLOAT:
                reason = self._out_of_range(name, self._magnitude(name))
                if reason:
                    return f"writes {reason}"
        total = self.accumulations.get(node.name, 0.0)
        # Products of 8-bit integers are added up in 32 bits.
        if total > LARGEST and not self._multiplies_integers(node):
            return f"adds up to {total:.4g}"
        return None

    def _unfit(self, name: str) -> str | None:
        if name in self.dequantize:
            scale_name = self.dequantize[name].input[1]
            scales = self._array(scale_name)
            if not fits_half(scales):
                return f"{name}, whose smallest scale is {scales.min():.4g}"
            return self._out_of_range(name, float(scales.max()) * LEVELS)
        return self._out_of_range(name, self._magnitude(name))

    def _out_of_range(self, name: str, largest: float) -> str | None:
        if largest > LARGEST:
            return f"{name}, which reaches {largest:.4g}"
        if 0 < largest < SMALLEST_HALF:
            return f"{name}, which never exceeds {largest:.4g}"
        return None

    def _magnitude(self, name: str) -> float:
        if name in self.constants:
            array = self._array(name)
            return float(np.abs(array).max()) if array.size else 0.0
        if name not in self.ranges:
            raise LayoutRTError(f"the calibration has no range of the tensor {name}; measure the model again")
        low, high = self.ranges[name]
        return max(abs(low), abs(high))

    def _array(self, name: str) -> NDArray:
        return numpy_helper.to_array(self.constants[name])

    def _multiplies_integers(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "Conv" and all(name in self.dequantize for name in node.input[:2])

    @staticmethod
    def _is_region(node: onnx.NodeProto, name: str) -> bool:
        return node.op_type == "Resize" and name in node.input[1:]
