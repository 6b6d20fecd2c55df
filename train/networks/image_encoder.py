"""The image encoder: the posterior of the latent ``z``, for the VAE path of training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.encoder_config import EncoderConfig
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d

INPUT_SIZE = (256, 256)


class ImageEncoder(nn.Module):
    """Image to the mean and log-variance of a Gaussian over ``z``.

    Instance norm takes the mean of every channel away, and with it much of what light and weather do to a
    picture. With ``colors`` the last layers also read the picture's colors on a coarse grid.

    Args:
        config: configuration that it is built from.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        width, colors = config.width, config.colors
        channels = [3, width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
        for k in range(1, 7):
            conv = SpectralNormConv2d(channels[k - 1], channels[k], 3, 2, bias=False)
            self.add_module(f"layer{k}", nn.Sequential(conv, nn.InstanceNorm2d(channels[k])))
        features = channels[6] * 16 + 3 * colors * colors
        self.fc_mu = nn.Linear(features, config.latent)
        self.fc_var = nn.Linear(features, config.latent)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``[N, 3, H, W]`` in [-1, 1] -> mean and log-variance, both ``[N, latent]``."""
        x = image
        if x.shape[2:] != INPUT_SIZE:
            x = F.interpolate(x, size=INPUT_SIZE, mode="bilinear", align_corners=False)
        colors = self.config.colors
        seen = F.avg_pool2d(x, INPUT_SIZE[0] // colors).flatten(1) if colors else None
        for k in range(1, 7):
            x = F.leaky_relu(self.get_submodule(f"layer{k}")(x), LEAKY_SLOPE)
        x = x.flatten(1)
        if seen is not None:
            x = torch.cat([x, seen.to(x.dtype)], 1)
        return self.fc_mu(x), self.fc_var(x)


def sample_latent(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """``mu + noise * exp(logvar / 2)``, the reparametrized sample; all ``[N, latent]``."""
    return mu + noise * torch.exp(0.5 * logvar)
