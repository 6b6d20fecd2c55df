"""The mosaic generator as an exported graph: its first convolution is table look-ups."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from layoutrt.export.graphs.base import GeneratorPipeline
from layoutrt.export.graphs.folded_layers import LastConv, conditioned, nearest
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.mosaic_generator import LEAKY_SLOPE, STRIDE, MosaicGenerator


class MosaicPipeline(GeneratorPipeline):
    """The mosaic generator.

    Args:
        generator: in evaluation mode.
        label_set: what its labels mean.
    """

    def __init__(self, generator: MosaicGenerator, label_set: LabelSet) -> None:
        super().__init__(generator.config, label_set)
        self.head = conditioned(generator.head, generator.config.num_classes)
        self.to_rgb = LastConv(generator.conv_img)

    def last_features(
        self, labels: Tensor, edges: Tensor | None, z: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """See `GeneratorPipeline`."""
        x = self.head(nearest(labels, STRIDE), None if edges is None else nearest(edges, STRIDE))
        x = F.leaky_relu(x, LEAKY_SLOPE)
        return F.interpolate(x, scale_factor=float(STRIDE), mode="nearest"), None
