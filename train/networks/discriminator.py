"""The feature-pyramid semantics-embedding discriminator (paper, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d


def instance_normed_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Spectral-norm convolution, instance norm, leaky ReLU."""
    conv = SpectralNormConv2d(in_channels, out_channels, kernel, stride, bias=False)
    return nn.Sequential(nn.Sequential(conv, nn.InstanceNorm2d(out_channels)), nn.LeakyReLU(LEAKY_SLOPE))


class Judgment(NamedTuple):
    """The discriminator's scores and features."""

    scores: list[Tensor]
    """Patch scores ``[N, 1, H/4, W/4]``, ``[N, 1, H/8, W/8]``, ``[N, 1, H/16, W/16]``."""
    features: list[Tensor]
    """The four encoder features that feature matching compares."""


class Discriminator(nn.Module):
    """Scores image patches at three scales, for realism and for agreement with the layout.

    Args:
        semantic_channels: channels of the semantic tensor.
        width: channels of the first layer; 64 in the paper.
    """

    def __init__(self, semantic_channels: int, width: int = 64) -> None:
        super().__init__()
        d = width
        channels = [3, d, 2 * d, 4 * d, 8 * d, 8 * d]
        for k in range(1, 6):
            self.add_module(f"enc{k}", instance_normed_conv(channels[k - 1], channels[k], 3, stride=2))
        for k in range(2, 6):
            self.add_module(f"lat{k}", instance_normed_conv(channels[k], 4 * d, 1))
        for k in range(2, 5):
            self.add_module(f"final{k}", instance_normed_conv(4 * d, 2 * d, 3))
        self.tf = nn.Conv2d(2 * d, 1, 1)
        self.seg = nn.Conv2d(2 * d, 2 * d, 1)
        self.embedding = nn.Conv2d(semantic_channels, 2 * d, 1)

    def forward(self, image: Tensor, semantics: Tensor) -> Judgment:
        """Judge ``image [N, 3, H, W]`` against ``semantics [N, S, H, W]``; H and W divisible by 32."""
        encoded = [image]
        for k in range(1, 6):
            encoded.append(self.get_submodule(f"enc{k}")(encoded[-1]))
        feature = self.get_submodule("lat5")(encoded[5])
        pyramid = {}
        for k in (4, 3, 2):
            raised = F.interpolate(feature, scale_factor=2.0, mode="bilinear", align_corners=False)
            feature = raised + self.get_submodule(f"lat{k}")(encoded[k])
            pyramid[k] = feature
        scores = []
        for k in (2, 3, 4):
            final = self.get_submodule(f"final{k}")(pyramid[k])
            # Pooling and a 1x1 convolution commute; pooling first makes the convolution small.
            embedding = self.embedding(F.avg_pool2d(semantics, 2**k))
            agreement = embedding * self.seg(final)
            scores.append(self.tf(final) + torch.sum(agreement, 1, keepdim=True))
        return Judgment(scores, encoded[2:])
