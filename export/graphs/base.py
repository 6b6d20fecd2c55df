"""A generator as every backend runs it: labels in, bytes out, everything foldable folded.

The graph is the pipeline: one-hot encoding (as `LayoutConv`), instance edges, the don't-care label, and the
scaling to bytes are part of it. One subclass for each architecture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from layoutrt.export.graphs.folded_layers import LastConv
from layoutrt.layouts import LabelSet
from layoutrt.operators.torch.conv_to_image import conv_to_image, float_image
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.semantics import instance_edges


class GeneratorPipeline(nn.Module, ABC):
    """Labels (and instances, and a latent) to RGB bytes.

    Args:
        config: configuration of the generator.
        label_set: label set of the generator; it tells whether there is an extra don't-care channel.
    """

    to_rgb: LastConv
    """Set by the subclass."""

    def __init__(self, config: GeneratorConfig, label_set: LabelSet) -> None:
        super().__init__()
        self.config = config
        self.extra_dont_care = label_set.dont_care if label_set.dont_care == len(label_set.labels) else None

    def forward(self, labels: Tensor, instances: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """Synthesize.

        Args:
            labels: uint8 ``[N, H, W]``.
            instances: int32 ``[N, H, W]`` where the generator reads instance edges.
            z: float32 ``[N, latent]`` where it has a latent.

        Returns:
            uint8 ``[N, H, W, 3]``, RGB.
        """
        x, y = self._last_features(labels, instances, z)
        return conv_to_image(x, self.to_rgb.weight, self.to_rgb.bias, y)

    def image(self, labels: Tensor, instances: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """The image before its conversion to bytes, float32 ``[N, 3, H, W]`` in [-1, 1]."""
        x, y = self._last_features(labels, instances, z)
        return float_image(x, self.to_rgb.weight, self.to_rgb.bias, y)

    def _last_features(
        self, labels: Tensor, instances: Tensor | None, z: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if self.extra_dont_care is not None:
            labels = labels.to(torch.int32).clamp(max=self.extra_dont_care).to(torch.uint8)
        edges = instance_edges(instances) if instances is not None else None
        return self.last_features(labels, edges, z)

    @abstractmethod
    def last_features(
        self, labels: Tensor, edges: Tensor | None, z: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Inputs of `to_rgb`, from labels below ``num_classes`` and the edge channel ``[N, 1, H, W]``.

        Returns:
            float32 ``[N, C, H, W]``, and ``[N, D, H, W]`` where further channels follow.
        """
