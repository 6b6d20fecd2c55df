"""The image encoder: the posterior of the latent ``z``, for the VAE path of training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d

INPUT_SIZE = (256, 256)


class ImageEncoder(nn.Module):
    """Image to the mean and log-variance of a Gaussian over ``z``.

    Args:
        width: channels of the first layer; 64 in the paper.
        latent: length of ``z``.
    """

    def __init__(self, width: int = 64, latent: int = 256) -> None:
        super().__init__()
        channels = [3, width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
        for k in range(1, 7):
            conv = SpectralNormConv2d(channels[k - 1], channels[k], 3, 2, bias=False)
            self.add_module(f"layer{k}", nn.Sequential(conv, nn.InstanceNorm2d(channels[k])))
        self.fc_mu = nn.Linear(channels[6] * 16, latent)
        self.fc_var = nn.Linear(channels[6] * 16, latent)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``[N, 3, H, W]`` in [-1, 1] -> mean and log-variance, both ``[N, latent]``."""
        x = image
        if x.shape[2:] != INPUT_SIZE:
            x = F.interpolate(x, size=INPUT_SIZE, mode="bilinear", align_corners=False)
        for k in range(1, 7):
            x = F.leaky_relu(self.get_submodule(f"layer{k}")(x), LEAKY_SLOPE)
        x = x.flatten(1)
        return self.fc_mu(x), self.fc_var(x)


def sample_latent(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """``mu + noise * exp(logvar / 2)``, the reparametrised sample; all ``[N, latent]``."""
    return mu + noise * torch.exp(0.5 * logvar)
