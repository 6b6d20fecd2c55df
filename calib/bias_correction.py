"""Bias correction: what rounding the weights shifts on average is taken from the biases.

Rounded weights make the mean of every output channel drift, and in a generator a drift of the mean is a shift
of colour. With the mean of what a weight multiplies, the drift is known and goes into the bias (Nagel et al.,
"Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2). It depends
on the weights' 8 bits alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from layoutrt.calib.channel_statistics import ChannelStatistics
from layoutrt.calib.probes import applied_kernels
from layoutrt.operators import gated_predicted_conv, predicted_conv

_TAPS = 9


Quantizer = Callable[[NDArray[np.float32], int], tuple[NDArray[np.int8], NDArray[np.float32]]]
"""Levels and scales of a weight, as `affine.quantize_rows`."""


def correct_biases(
    model: onnx.ModelProto,
    statistics: Mapping[str, ChannelStatistics],
    quantizer: Quantizer,
    keep: Collection[str] = (),
) -> None:
    """Correct the biases of a float model, in place, for the weights that it will have in 8 bits.

    Args:
        model: a float model, with its weights in it.
        statistics: of what its weights multiply.
        quantizer: how the target rounds weights.
        keep: names of nodes that stay in float.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.name in keep:
            continue
        for x, weight, bias, rows in _products(node):
            if x not in statistics or weight not in weights or not _has_one_group(node):
                continue
            array = numpy_helper.to_array(weights[weight])
            drift = _drift(array, *quantizer(array, rows), statistics[x].mean)
            if bias in weights:
                corrected = numpy_helper.to_array(weights[bias]) - drift
                weights[bias].raw_data = corrected.astype(np.float32).tobytes()
            elif not bias:
                made = numpy_helper.from_array(-drift, f"{node.output[0]}_correction")
                model.graph.initializer.append(made)
                node.input.append(made.name)


def _products(node: onnx.NodeProto) -> list[tuple[str, str, str, int]]:
    """What a node multiplies by weights: tensor, weight, bias, and rows of the weight that share a scale."""
    if node.op_type == "Conv":
        x, weight, *bias = node.input
        return [(x, weight, bias[0] if bias else "", 1)]
    if node.op_type == predicted_conv.NAME:
        _, h, weight, bias = node.input[:4]
        return [(h, weight, bias, _TAPS)]
    if node.op_type == gated_predicted_conv.NAME:
        _, h, weight, bias, _, _, mix, mix_bias, gate_h, gate_weight, gate_bias, _ = node.input
        return [
            (h, weight, bias, _TAPS),
            (applied_kernels(node), mix, mix_bias, 1),
            (gate_h, gate_weight, gate_bias, 1),
        ]
    return []


def _has_one_group(node: onnx.NodeProto) -> bool:
    return all(attribute.i == 1 for attribute in node.attribute if attribute.name == "group")


def _drift(
    weight: NDArray[np.float32],
    levels: NDArray[np.int8],
    scales: NDArray[np.float32],
    mean: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Mean of (rounded weight - weight) * x for each row, float32 ``[R]``, as if x had no edges."""
    rounded = levels * np.repeat(scales, len(weight) // len(scales))[:, None, None, None]
    return ((rounded - weight).sum((2, 3)) @ mean).astype(np.float32)
