"""The image encoder as every backend runs it: a picture in, the Gaussian of its style out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from layoutrt.export.graphs.folded_layers import FoldedConv
from layoutrt.train.networks.image_encoder import ImageEncoder
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d


class EncoderPipeline(nn.Module):
    """RGB bytes to the mean and log-variance of ``z``.

    Args:
        encoder: encoder in evaluation mode.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.network = copy.deepcopy(encoder)
        for name, module in list(self.network.named_modules()):
            if isinstance(module, SpectralNormConv2d):
                self.network.set_submodule(name, FoldedConv(module.weight(), module.bias, module.stride))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``image`` uint8 ``[N, H, W, 3]``, RGB -> float32 ``[N, latent]``, twice."""
        return self.network(image.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1)
