"""Convolution with spectral normalization (Miyato et al., arXiv 1802.05957)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpectralNormConv2d(nn.Module):
    """A 2-D convolution whose weight is divided by an estimate of its largest singular value.

    State names are those of the original hook form, ``weight_orig``, ``weight_u``, ``weight_v``, so that
    published checkpoints load. One power iteration runs per forward call in training mode.

    Args:
        in_channels, out_channels, kernel_size, stride: parameters of the convolution; padding is
            ``kernel_size // 2``.
        bias: true if it has a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.stride = stride
        self.padding = kernel_size // 2
        self.weight_orig = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        nn.init.kaiming_uniform_(self.weight_orig, a=5**0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_u: Tensor
        self.weight_v: Tensor
        self.register_buffer("weight_u", F.normalize(torch.randn(out_channels), dim=0))
        self.register_buffer("weight_v", F.normalize(torch.randn(in_channels * kernel_size**2), dim=0))

    def weight(self) -> Tensor:
        """The normalized weight, ``[out, in, k, k]``."""
        matrix = self.weight_orig.flatten(1)
        if self.training:
            with torch.no_grad():
                self.weight_v.copy_(F.normalize(matrix.T @ self.weight_u, dim=0, eps=1e-12))
                self.weight_u.copy_(F.normalize(matrix @ self.weight_v, dim=0, eps=1e-12))
        # Clones: a later iteration overwrites the buffers while this one's graph still needs them.
        sigma = self.weight_u.clone() @ (matrix @ self.weight_v.clone())
        return self.weight_orig / sigma

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` -> ``[N, out, ceil(H/stride), ceil(W/stride)]``."""
        if torch.is_autocast_enabled(x.device.type):
            # The power iteration loses its digits in 16 bits; the convolution itself may have them.
            with torch.autocast(x.device.type, enabled=False):
                weight = self.weight()
        else:
            weight = self.weight()
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)
