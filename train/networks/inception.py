"""InceptionV3 (Szegedy et al. 2015, arXiv 1512.00567), as the reference of the Fréchet Inception Distance.

That reference is the TensorFlow graph of 2015-12-05. It differs from other InceptionV3s in three places:
average poolings leave the padding out of their count, the last block has a max pooling instead, and there are
1008 classes.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.published_weights import load_published_weights

INPUT_SIZE = 299
FEATURES = 2048


class NormedConv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self,
        before: int,
        channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        pad: bool = False,
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(before, channels, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, H, W]`` -> ``[N, channels, H', W']``."""
        return F.relu(self.bn(self.conv(x)))


class InceptionA(nn.Module):
    """The block at 35x35 (the paper's figure 5)."""

    def __init__(self, before: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = NormedConv(before, 64)
        self.branch5x5_1 = NormedConv(before, 48)
        self.branch5x5_2 = NormedConv(48, 64, 5, pad=True)
        self.branch3x3dbl_1 = NormedConv(before, 64)
        self.branch3x3dbl_2 = NormedConv(64, 96, 3, pad=True)
        self.branch3x3dbl_3 = NormedConv(96, 96, 3, pad=True)
        self.branch_pool = NormedConv(before, pooled)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, H, W]`` -> ``[N, 224 + pooled, H, W]``."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(average_pool(x))], 1)


class InceptionB(nn.Module):
    """The reduction from 35x35 to 17x17 (figure 10)."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3 = NormedConv(before, 384, 3, stride=2)
        self.branch3x3dbl_1 = NormedConv(before, 64)
        self.branch3x3dbl_2 = NormedConv(64, 96, 3, pad=True)
        self.branch3x3dbl_3 = NormedConv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, H, W]`` -> ``[N, 480 + before, H', W']``."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class InceptionC(nn.Module):
    """The block at 17x17, with factorized 7x7 convolutions (figure 6)."""

    def __init__(self, before: int, inner: int) -> None:
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch1x1 = NormedConv(before, 192)
        self.branch7x7_1 = NormedConv(before, inner)
        self.branch7x7_2 = NormedConv(inner, inner, row, pad=True)
        self.branch7x7_3 = NormedConv(inner, 192, column, pad=True)
        self.branch7x7dbl_1 = NormedConv(before, inner)
        self.branch7x7dbl_2 = NormedConv(inner, inner, column, pad=True)
        self.branch7x7dbl_3 = NormedConv(inner, inner, row, pad=True)
        self.branch7x7dbl_4 = NormedConv(inner, inner, column, pad=True)
        self.branch7x7dbl_5 = NormedConv(inner, 192, row, pad=True)
        self.branch_pool = NormedConv(before, 192)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, H, W]`` -> ``[N, 768, H, W]``."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average_pool(x))], 1)


class InceptionD(nn.Module):
    """The reduction from 17x17 to 8x8."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3_1 = NormedConv(before, 192)
        self.branch3x3_2 = NormedConv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = NormedConv(before, 192)
        self.branch7x7x3_2 = NormedConv(192, 192, (1, 7), pad=True)
        self.branch7x7x3_3 = NormedConv(192, 192, (7, 1), pad=True)
        self.branch7x7x3_4 = NormedConv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, H, W]`` -> ``[N, 512 + before, H', W']``."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_2(self.branch7x7x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(seven))
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


class InceptionE(nn.Module):
    """The block at 8x8, with a wide filter bank (figure 7).

    Args:
        before: input channels.
        max_pooled: true if its pooling branch takes the maximum, as the last block of the reference does.
    """

    def __init__(self, before: int, max_pooled: bool) -> None:
        super().__init__()
        self.max_pooled = max_pooled
        self.branch1x1 = NormedConv(before, 320)
        self.branch3x3_1 = NormedConv(before, 384)
        self.branch3x3_2a = NormedConv(384, 384, (1, 3), pad=True)
        self.branch3x3_2b = NormedConv(384, 384, (3, 1), pad=True)
        self.branch3x3dbl_1 = NormedConv(before, 448)
        self.branch3x3dbl_2 = NormedConv(448, 384, 3, pad=True)
        self.branch3x3dbl_3a = NormedConv(384, 384, (1, 3), pad=True)
        self.branch3x3dbl_3b = NormedConv(384, 384, (3, 1), pad=True)
        self.branch_pool = NormedConv(before, 192)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, before, H, W]`` -> ``[N, 2048, H, W]``."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, 1, 1) if self.max_pooled else average_pool(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class InceptionV3(nn.Module):
    """Features of the last pooling ("pool3"). Its tensors bear torchvision's names."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = NormedConv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = NormedConv(32, 32, 3)
        self.Conv2d_2b_3x3 = NormedConv(32, 64, 3, pad=True)
        self.Conv2d_3b_1x1 = NormedConv(64, 80)
        self.Conv2d_4a_3x3 = NormedConv(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128)
        self.Mixed_6c = InceptionC(768, 160)
        self.Mixed_6d = InceptionC(768, 160)
        self.Mixed_6e = InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, max_pooled=False)
        self.Mixed_7c = InceptionE(2048, max_pooled=True)
        # Not computed: it tells the reference's weights from those of other InceptionV3s, which have 1000.
        self.fc = nn.Linear(FEATURES, 1008)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the features.

        Args:
            images: float ``[N, 3, H, W]`` RGB in [-1, 1], of any size.

        Returns:
            float ``[N, 2048]``.
        """
        # The reference resizes bilinearly and without smoothing, also where that makes smaller.
        x = F.interpolate(images, (INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))


def average_pool(x: Tensor) -> Tensor:
    """Mean over 3x3 neighbors, of those that exist: ``[N, C, H, W]`` both."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def inception_v3(path: str | Path) -> InceptionV3:
    """The reference network of the Fréchet Inception Distance, in evaluation mode.

    Args:
        path: its weights, ``.pth`` or ``.safetensors``, with torchvision's names and a ``fc`` of 1008 classes
            (pytorch-fid's ``pt_inception-2015-12-05`` format).

    Raises:
        LayoutRTError: the file is missing, no state dict, or of another network.
    """
    network = InceptionV3()
    load_published_weights(network, path, "InceptionV3 of the FID reference")
    return network.eval()
