"""The segmentation discriminator of OASIS (Sushko et al., ICLR 2021, arXiv 2012.04781, sections 3.1 and A.5).

A U-Net that gives every pixel one of N + 1 classes: that of the layout, or "fake". It never sees the layout:
to tell real pixels by their class it has to understand the picture, and the generator learns from that.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.discriminator import Judgment
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d

MULTIPLES = (2, 2, 4, 4, 8, 8)
"""Channels of the six scales over the width; the paper's width is 64."""


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Args:
        first: true if it reads the image, which has not been through an activation.
    """

    def __init__(self, in_channels: int, out_channels: int, *, first: bool = False) -> None:
        super().__init__()
        self.first = first
        self.conv1 = SpectralNormConv2d(in_channels, out_channels, 3)
        self.conv2 = SpectralNormConv2d(out_channels, out_channels, 3)
        self.shortcut = SpectralNormConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` -> ``[N, out, H, W]``."""
        y = self.conv1(x if self.first else F.leaky_relu(x, LEAKY_SLOPE))
        return self.shortcut(x) + self.conv2(F.leaky_relu(y, LEAKY_SLOPE))


class SegmentationDiscriminator(nn.Module):
    """Image to class scores of every pixel, the last class being "fake".

    Args:
        num_classes: N, of the layout.
        width: a 64th of the paper's channels for each unit; 64 in the paper.
    """

    def __init__(self, num_classes: int, width: int = 64) -> None:
        super().__init__()
        channels = [3, *(multiple * width for multiple in MULTIPLES)]
        self.down = nn.ModuleList(
            Residual(before, after, first=k == 0)
            for k, (before, after) in enumerate(itertools.pairwise(channels))
        )
        ups = [*channels[-2:0:-1], width]
        sides = [0, *channels[-2:0:-1]]
        before = [channels[-1], *ups[:-1]]
        self.up = nn.ModuleList(Residual(b + s, u) for b, s, u in zip(before, sides, ups, strict=True))
        self.classify = nn.Conv2d(width, num_classes + 1, 1)

    def forward(self, image: Tensor, semantics: Tensor) -> Judgment:
        """Class scores ``[N, num_classes + 1, H, W]`` of ``image [N, 3, H, W]``.

        Args:
            image: images to score.
            semantics: not read; here as other discriminators have it.

        Returns:
            The scores as the only one, and the features of the last four scales of the encoder.
        """
        # Most of its arithmetic is at full size with few channels: twice as fast with channels last on CPUs.
        x = image.contiguous(memory_format=torch.channels_last)
        kept = []
        sizes = []
        for down in self.down:
            sizes.append(x.shape[2:])
            x = F.avg_pool2d(down(x), 2, ceil_mode=True)
            kept.append(x)
        features = kept[2:]
        for k, up in enumerate(self.up):
            if k:
                x = torch.cat([x, kept[-1 - k]], 1)
            x = up(F.interpolate(x, size=sizes[-1 - k], mode="nearest"))
        return Judgment([self.classify(F.leaky_relu(x, LEAKY_SLOPE))], features)
