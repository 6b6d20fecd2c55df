"""The label feature pyramid that conditions every block of the generator (paper, figure 2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d


def normed_conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Spectral-norm convolution, batch norm, leaky ReLU."""
    conv = SpectralNormConv2d(in_channels, out_channels, kernel, stride, bias=False)
    return nn.Sequential(nn.Sequential(conv, nn.BatchNorm2d(out_channels)), nn.LeakyReLU(LEAKY_SLOPE))


class LayoutPyramid(nn.Module):
    """Encoder by strided convolutions, decoder with lateral connections.

    A mixin without its own prefix: the published state dict holds ``labelenc1`` and the like at the top level
    of the generator, so `Generator` derives from this class.
    """

    levels: int

    def build_pyramid(self, semantic_channels: int, width: int, levels: int) -> None:
        """Add the layers ``labelencK`` (K = 1…levels), ``labellatK`` and ``labeldecK`` (K = 1…levels-1)."""
        self.levels = levels
        for level in range(1, levels + 1):
            first = level == 1
            layer = normed_conv(semantic_channels if first else width, width, 3, stride=1 if first else 2)
            self.add_module(f"labelenc{level}", layer)
        for level in range(1, levels):
            self.add_module(f"labellat{level}", normed_conv(width, width, 1))
            self.add_module(f"labeldec{level}", normed_conv(width, width, 3))

    def pyramid(self, semantics: Tensor) -> list[Tensor]:
        """Features from the deepest level to full size.

        Args:
            semantics: float ``[N, S, H, W]``, H and W divisible by ``2**(levels - 1)``.

        Returns:
            ``levels`` tensors ``[N, n, H/2**j, W/2**j]``, j = levels-1 … 0.
        """
        encoded = [semantics]
        for level in range(1, self.levels + 1):
            encoded.append(self.get_submodule(f"labelenc{level}")(encoded[-1]))
        features = [encoded.pop()]
        for level in range(1, self.levels):
            lateral = self.get_submodule(f"labellat{level}")(encoded.pop())
            raised = F.interpolate(features[-1], scale_factor=2.0, mode="nearest")
            features.append(self.get_submodule(f"labeldec{level}")(raised + lateral))
        return features
