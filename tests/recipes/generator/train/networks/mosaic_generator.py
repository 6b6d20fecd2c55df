"""A generator of two convolutions: one color pattern for each class, upsampled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.networks.semantics import resize_nearest

STRIDE = 4
LEAKY_SLOPE = 0.2


class MosaicGenerator(AnyGenerator):
    """Layout to image; ``config.width`` is the number of features."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(config.semantic_channels, config.width, 3, padding=1)
        self.conv_img = nn.Conv2d(config.width, 3, 3, padding=1)

    def forward(self, semantics: Tensor, z: Tensor | None = None) -> Tensor:
        """See `AnyGenerator`; this generator has no latent."""
        height, width = semantics.shape[2:]
        self.config.check_size(height, width)
        x = self.head(resize_nearest(semantics, (height // STRIDE, width // STRIDE)))
        x = F.interpolate(F.leaky_relu(x, LEAKY_SLOPE), scale_factor=float(STRIDE), mode="nearest")
        return torch.tanh(self.conv_img(x))

    def blocks(self) -> Sequence[nn.Module]:
        """The part before the image."""
        return [self.head]

    def distillation_points(self) -> dict[str, nn.Module]:
        """See `AnyGenerator`."""
        return {str(STRIDE): self.head}
