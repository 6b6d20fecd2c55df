"""Cross-layer equalization: channels that share 8 bits get ranges alike.

One scale serves all channels of an activation, so a channel that is a hundredth as large as another keeps two
or three of 256 levels. Dividing every channel by its own share of the range, and multiplying the weights that
read it by the same, uses all levels and changes nothing else (Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", ICCV 2019, section 4.1; here activations are equalized, with ranges
that were measured, because weights have a scale for each channel anyway).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from layoutrt.calib.equalize.channel_scales import Group, Weight, channel_groups
from layoutrt.calib.observe.channel_statistics import ChannelStatistics
from layoutrt.calib.observe.intermediate_outputs import without_weights

SMALLEST = 1 / 64
"""No channel is enlarged by more: what calibration did not excite, other inputs may."""


def equalizing_scales(
    model: onnx.ModelProto, statistics: Mapping[str, ChannelStatistics]
) -> dict[str, NDArray[np.float32]]:
    """Scales that the channels of tensors may be divided by.

    Args:
        model: a float model.
        statistics: statistics of the tensors that will have 8 bits; the others follow.

    Returns:
        float32 ``[C]``, at most 1, for every tensor of the statistics that can be rescaled.
    """
    scales: dict[str, NDArray[np.float32]] = {}
    for group in channel_groups(model):
        measured = [tensor for tensor in group.tensors if tensor in statistics]
        if measured:
            of_group = _scales(group, statistics, measured)
            scales |= dict.fromkeys(measured, of_group)
    return scales


def equalize(model: onnx.ModelProto, scales: Mapping[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """The model with rescaled channels, which computes what it did, but for rounding.

    Args:
        model: a float model, with its weights in it; not changed.
        scales: from `equalizing_scales`.
    """
    rescaled: dict[str, list[tuple[Weight, NDArray[np.float32]]]] = {}
    for group in channel_groups(model):
        of_group = next((scales[tensor] for tensor in group.tensors if tensor in scales), None)
        if of_group is not None:
            for weight in group.weights:
                rescaled.setdefault(weight.name, []).append((weight, of_group))
    equalized = without_weights(model)
    for tensor in model.graph.initializer:
        if tensor.name not in rescaled:
            equalized.graph.initializer.append(tensor)
            continue
        array = numpy_helper.to_array(tensor)
        for weight, of_group in rescaled[tensor.name]:
            array = _rescaled(array, weight, of_group)
        equalized.graph.initializer.add(
            name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=array.tobytes()
        )
    return equalized


def _scales(
    group: Group, statistics: Mapping[str, ChannelStatistics], measured: list[str]
) -> NDArray[np.float32]:
    shares = []
    for tensor in measured:
        largest = statistics[tensor].largest
        shares.append(largest / max(float(largest.max()), float(np.finfo(np.float32).tiny)))
    # The largest share of any tensor of the group, so that none grows beyond its range.
    share = np.maximum.reduce(shares)
    return np.clip(share, SMALLEST, 1).astype(np.float32)


def _rescaled(array: NDArray[np.float32], weight: Weight, scales: NDArray[np.float32]) -> NDArray[np.float32]:
    shape = [1] * array.ndim
    shape[weight.axis] = -1
    factors = np.float32(1) / scales if weight.divide else scales
    return array * np.repeat(factors, weight.repeat).reshape(shape)
