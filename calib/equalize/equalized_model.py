"""A float model whose channels are equalized, with what is known of its activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from layoutrt.calib.equalize.equalization import equalize, equalizing_scales
from layoutrt.calib.observe.channel_statistics import ChannelStatistics
from layoutrt.calib.observe.ranges import Range


@dataclass(frozen=True)
class EqualizedModel:
    """The model to quantize: it computes what the float model computes, but for rounding."""

    proto: onnx.ModelProto
    statistics: dict[str, ChannelStatistics]
    """Statistics of the channels of its activations."""
    ranges: dict[str, Range]
    """Range of each activation that 8 bits have to hold."""
    rounded: dict[str, tuple[NDArray[np.int8], NDArray[np.float32]]] = field(default_factory=dict)
    """Integers and scales of convolutions' weights, by the weight's name, as `weight_rounding.round_rows`
    chose them on data; other weights are rounded to the nearest level."""

    def with_ranges(self, ranges: dict[str, Range]) -> EqualizedModel:
        """The same model with other ranges."""
        return replace(self, ranges=ranges)

    def copy(self) -> EqualizedModel:
        """One with weights of its own, which quantization may consume."""
        proto = onnx.ModelProto()
        proto.CopyFrom(self.proto)
        return replace(self, proto=proto)


def equalized_model(
    proto: onnx.ModelProto, channels: Mapping[str, ChannelStatistics], ranges: dict[str, Range] | None = None
) -> EqualizedModel:
    """Equalize the channels of a float model.

    Args:
        proto: the float model, with its weights in it; not changed.
        channels: statistics of the activations that will have 8 bits.
        ranges: ranges of these activations, once they are equalized, as an earlier measurement found them.
    """
    scales = equalizing_scales(proto, channels)
    statistics = {name: of.divided(scales[name]) if name in scales else of for name, of in channels.items()}
    ranges = ranges or {name: of.range for name, of in statistics.items()}
    return EqualizedModel(equalize(proto, scales), statistics, ranges)
