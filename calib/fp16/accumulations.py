"""Largest partial sums inside a model's operators on representative inputs.

A result may be small where the sum it ends overflowed on the way: kernels add products in any order, and some
in FP16. Whatever the order, a partial sum is at most the sum of all magnitudes, which the operator gives when
it is run on absolute values: that is what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.observe.ranges import collect_ranges
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.graph.element_types import element_types
from layoutrt.operators import DOMAIN
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.spatially_varying_conv import SPATIALLY_VARYING_CONV


def collect_accumulations(
    model: onnx.ModelProto, inputs: Iterable[dict[str, NDArray]], *, threads: int | None = None
) -> dict[str, float]:
    """Run the model on every input and keep the largest sum of magnitudes inside each node that sums.

    Convolutions and products of matrices sum products (and their bias), means and sums their elements (a mean
    before it divides), an instance norm elements and their squares, `PredictedConv` products twice: for the
    kernels and with them.

    Args:
        model: float32 model of `layoutrt.calib.trt.lowering.lower`; not changed.
        inputs: arguments of `Session.run`, one after another.
        threads: number of threads of one run; None for one per processor.

    Returns:
        By name of the node.

    Raises:
        LayoutRTError: there are no inputs, or one does not fit the model, or a sum is not finite.
    """
    sums_model = _PartialSums(model)
    sums = {
        node.name: _SUMS[node.op_type](sums_model, node) for node in model.graph.node if node.op_type in _SUMS
    }
    if not sums:
        return {}
    ranges = collect_ranges(
        for_onnxruntime(sums_model.model),
        [name for names in sums.values() for name in names],
        inputs,
        threads=threads,
    )
    return {node: max(ranges[name].high for name in names) for node, names in sums.items()}


class _PartialSums:
    """The model with nodes that compute sums of magnitudes, and how to add them."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.types = element_types(model)
        self.magnitudes: dict[str, str] = {}

    def magnitude(self, name: str) -> str:
        if name not in self.magnitudes:
            self.magnitudes[name] = self.add("Abs", [name], f"{name}_magnitude")
        return self.magnitudes[name]

    def add(self, operator: str, inputs: list[str], output: str, domain: str = "", **attributes) -> str:  # type: ignore[no-untyped-def]
        node = helper.make_node(operator, inputs, [output], output, domain=domain, **attributes)
        self.model.graph.node.append(node)
        return output

    def axes(self, values: list[int]) -> str:
        name = f"axes_{'_'.join(str(value) for value in values)}"
        if name not in {tensor.name for tensor in self.model.graph.initializer}:
            tensor = numpy_helper.from_array(np.array(values, np.int64), name)
            self.model.graph.initializer.append(tensor)
        return name

    def product(self, node: onnx.NodeProto) -> list[str]:
        """The same operator on magnitudes."""
        counterpart = onnx.NodeProto()
        counterpart.CopyFrom(node)
        counterpart.name = counterpart.output[0] = f"{node.output[0]}_sum"
        for place, name in enumerate(node.input):
            counterpart.input[place] = self.magnitude(name) if name else ""
        for attribute in counterpart.attribute:
            if attribute.name in ("alpha", "beta"):
                attribute.f = abs(attribute.f)
        self.model.graph.node.append(counterpart)
        return [counterpart.output[0]]

    def reduction(self, node: onnx.NodeProto) -> list[str]:
        x, *axes = node.input
        if self.types[x] not in (TensorProto.FLOAT, TensorProto.FLOAT16):
            x = self.add("Cast", [x], f"{node.output[0]}_summands", to=TensorProto.FLOAT)
        empty = {a.name: a.i for a in node.attribute if a.name == "noop_with_empty_axes"}
        return [self.add("ReduceSum", [self.magnitude(x), *axes], f"{node.output[0]}_sum", **empty)]

    def global_average(self, node: onnx.NodeProto) -> list[str]:
        return [
            self.add("ReduceSum", [self.magnitude(node.input[0]), self.axes([2, 3])], f"{node.output[0]}_sum")
        ]

    def instance_norm(self, node: onnx.NodeProto) -> list[str]:
        x, y, axes = node.input[0], node.output[0], self.axes([2, 3])
        return [
            self.add("ReduceSum", [self.magnitude(x), axes], f"{y}_sum"),
            self.add("ReduceSumSquare", [x, axes], f"{y}_sum_of_squares"),
        ]

    def spatially_varying_conv(self, node: onnx.NodeProto) -> list[str]:
        x, w, *affine = node.input
        return [self._applied(node, self._normed(node, x, affine), w)]

    def predicted_conv(self, node: onnx.NodeProto) -> list[str]:
        x, h, weight, bias, *affine = node.input
        y = node.output[0]
        (rows,) = (tensor for tensor in self.model.graph.initializer if tensor.name == weight)
        pads = [rows.dims[2] // 2] * 4
        magnitudes = [self.magnitude(name) for name in (h, weight, bias)]
        predicting = self.add("Conv", magnitudes, f"{y}_predicting_sum", pads=pads)
        # The kernels as they are, not the sums of magnitudes that they end: those would multiply up.
        kernels = self.add("Conv", [h, weight, bias], f"{y}_kernels", pads=pads)
        return [predicting, self._applied(node, self._normed(node, x, affine), kernels)]

    def _normed(self, node: onnx.NodeProto, x: str, affine: list[str]) -> str:
        if not affine or not affine[0]:
            return x
        y, (scale, shift) = node.output[0], affine
        columns = [
            self.add("Unsqueeze", [name, self.axes([1, 2])], f"{y}_{part}_columns")
            for part, name in (("scale", scale), ("shift", shift))
        ]
        scaled = self.add("Mul", [x, columns[0]], f"{y}_scaled")
        return self.add("Add", [scaled, columns[1]], f"{y}_normed")

    def _applied(self, node: onnx.NodeProto, x: str, w: str) -> str:
        inputs = [self.magnitude(x), self.magnitude(w)]
        # Computes in float32 whatever the node itself does.
        return self.add(SPATIALLY_VARYING_CONV.name, inputs, f"{node.output[0]}_sum", DOMAIN)


_SUMS: dict[str, Callable[[_PartialSums, onnx.NodeProto], list[str]]] = {
    "Conv": _PartialSums.product,
    "ConvTranspose": _PartialSums.product,
    "Gemm": _PartialSums.product,
    "MatMul": _PartialSums.product,
    "ReduceMean": _PartialSums.reduction,
    "ReduceSum": _PartialSums.reduction,
    "GlobalAveragePool": _PartialSums.global_average,
    "InstanceNormalization": _PartialSums.instance_norm,
    PREDICTED_CONV.name: _PartialSums.predicted_conv,
    SPATIALLY_VARYING_CONV.name: _PartialSums.spatially_varying_conv,
}
