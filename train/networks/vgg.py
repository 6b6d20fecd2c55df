"""Features of VGG-19 (Simonyan and Zisserman 2015, arXiv 1409.1556, configuration E)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from layoutrt.train.networks.published_weights import load_published_weights

CHANNELS = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512,))
"""Output channels of the convolutions of each block, as far as relu5_1; a max pooling follows each block."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class VGG19Features(nn.Module):
    """The first activation of each of the five blocks: relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.

    Its tensors bear torchvision's names, ``features.0.weight`` to ``features.28.bias``. Nothing in it trains,
    and gradients pass through to the images.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.taps: list[int] = []
        before = 3
        for index, block in enumerate(CHANNELS):
            if index:
                layers.append(nn.MaxPool2d(2))
            self.taps.append(len(layers) + 1)
            for channels in block:
                layers += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
        self.features = nn.ModuleList(layers)
        for name, values in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the features.

        Args:
            images: float ``[N, 3, H, W]`` RGB in [-1, 1], at least 16 pixels a side.

        Returns:
            Five tensors ``[N, C, H/s, W/s]``, C = 64, 128, 256, 512, 512 and s = 1, 2, 4, 8, 16.
        """
        x = ((images + 1) / 2 - self.mean) / self.std
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self.taps:
                found.append(x)
        return found


def vgg19_features(path: str | Path) -> VGG19Features:
    """VGG-19's features with weights in torchvision's format, in evaluation mode.

    Args:
        path: ``.pth`` or ``.safetensors`` with ``features.N.weight`` and ``features.N.bias``; layers behind
            relu5_1 are not read.

    Raises:
        LayoutRTError: the file is missing, no state dict, or of another network.
    """
    network = VGG19Features()
    load_published_weights(network, path, "VGG-19 in torchvision's format")
    return network.eval()
