"""The segmenter: camera frame to layout, small enough for real time.

A residual encoder to 1/16 of the size, dilated blocks and a global context there, and a light decoder back to
half size. Half size matters: poles and signs are two pixels wide at 192x256.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.segmenter_config import SegmenterConfig


class NormedConv(nn.Sequential):
    """Convolution without bias, batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        padding = kernel // 2 * dilation
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    @property
    def conv(self) -> nn.Conv2d:
        """The convolution."""
        return cast(nn.Conv2d, self[0])

    @property
    def norm(self) -> nn.BatchNorm2d:
        """The batch norm after it."""
        return cast(nn.BatchNorm2d, self[1])


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al., arXiv 1512.03385)."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = NormedConv(channels, channels, 3, dilation=dilation)
        self.conv2 = NormedConv(channels, channels, 3, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> the same shape."""
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))


class Segmenter(nn.Module):
    """Frame to class scores."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        half, quarter, eighth, deep = config.channels
        self.stem = NormedConv(3, half, 3, stride=2)
        self.down4 = NormedConv(half, quarter, 3, stride=2)
        self.stage4 = nn.Sequential(ResidualBlock(quarter))
        self.down8 = NormedConv(quarter, eighth, 3, stride=2)
        self.stage8 = nn.Sequential(ResidualBlock(eighth), ResidualBlock(eighth))
        self.down16 = NormedConv(eighth, deep, 3, stride=2)
        self.stage16 = nn.Sequential(*(ResidualBlock(deep, dilation) for dilation in (1, 2, 4)))
        self.context = nn.Conv2d(deep, deep, 1)
        self.reduce16 = NormedConv(deep, eighth, 1)
        self.side8, self.merge8 = NormedConv(eighth, eighth, 1), NormedConv(eighth, quarter, 3)
        self.side4, self.merge4 = NormedConv(quarter, quarter, 1), NormedConv(quarter, half, 3)
        self.side2, self.merge2 = NormedConv(half, half, 1), NormedConv(half, half, 3)
        self.classify = nn.Conv2d(half, config.num_classes, 1)

    def features(self, image: Tensor) -> list[Tensor]:
        """The encoder's features: ``[N, C, H/s, W/s]`` for s = 2, 4, 8, 16.

        Args:
            image: float ``[N, 3, H, W]`` in [-1, 1]; H and W divisible by 16.
        """
        half = F.relu(self.stem(image))
        quarter = self.stage4(F.relu(self.down4(half)))
        eighth = self.stage8(F.relu(self.down8(quarter)))
        deep = self.stage16(F.relu(self.down16(eighth)))
        return [half, quarter, eighth, deep]

    def forward(self, image: Tensor) -> Tensor:
        """Scores ``[N, num_classes, H, W]`` of an image as `features` takes it."""
        return raise_twice(self.half_size_scores(image))

    def half_size_scores(self, image: Tensor) -> Tensor:
        """Scores ``[N, num_classes, H/2, W/2]`` of an image as `features` takes it."""
        half, quarter, eighth, deep = self.features(image)
        context = F.relu(self.context(deep.mean((2, 3), keepdim=True)))
        x = self.reduce16(deep + context)
        x = F.relu(self.merge8(F.relu(raise_twice(x) + self.side8(eighth))))
        x = F.relu(self.merge4(F.relu(raise_twice(x) + self.side4(quarter))))
        x = F.relu(self.merge2(F.relu(raise_twice(x) + self.side2(half))))
        return self.classify(x)


def raise_twice(x: Tensor) -> Tensor:
    """Bilinear doubling of ``[N, C, H, W]``."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
