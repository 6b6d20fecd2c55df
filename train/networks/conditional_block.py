"""The generator's residual block: conditional convolution with layout-aware gates (paper, section 3.1)."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.operators.torch.predicted_conv import predicted_conv
from layoutrt.operators.torch.spatially_varying_conv import spatially_varying_conv
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d

LEAKY_SLOPE = 0.2


class Predictor(nn.Sequential):
    """Small net from the condition to kernels or gates: conv 3x3, ReLU, conv ``kernel`` x ``kernel``."""

    def __init__(self, condition: int, hidden: int, outputs: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(condition, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, outputs, kernel, padding=kernel // 2),
        )

    @property
    def first(self) -> nn.Conv2d:
        """The convolution that reads the condition."""
        return cast(nn.Conv2d, self[0])

    @property
    def last(self) -> nn.Conv2d:
        """The convolution that makes the kernels or gates."""
        return cast(nn.Conv2d, self[2])


def conditional_conv(x: Tensor, hidden: Tensor, predictor: nn.Conv2d) -> Tensor:
    """Depthwise convolution of ``x [N, C, H, W]`` with kernels that ``predictor`` makes of ``hidden``.

    Kernels of a 1x1 predictor are cheap enough to be predicted again for the gradient instead of being kept;
    a 3x3 predictor is most of the block's arithmetic, so its kernels are.
    """
    if predictor.kernel_size == (1, 1):
        assert predictor.bias is not None
        return predicted_conv(x, hidden, predictor.weight, predictor.bias)
    return spatially_varying_conv(x, predictor(hidden))


class SpatiallyAdaptiveNorm(nn.Module):
    """SPADE (arXiv 1903.07291): batch norm whose scale and shift are predicted from the condition."""

    def __init__(self, channels: int, condition: int, hidden: int) -> None:
        super().__init__()
        self.param_free_norm = nn.BatchNorm2d(channels, affine=False)
        self.mlp_shared = nn.Sequential(nn.Conv2d(condition, hidden, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """``x [N, C, H, W]`` normalized, and modulated by what ``mlp_shared`` made of the condition."""
        return self.param_free_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class ConditionalBlock(nn.Module):
    """Two conditional convolutions with gated 1x1 convolutions, and a shortcut.

    Args:
        in_channels, out_channels: numbers of channels of the block; the middle is the smaller of the two.
        condition: channels of the condition (semantics and pyramid feature).
        hidden: hidden channels of the predictors; 128 in the paper.
        predictor_kernel: kernel of the predictors' second convolution; 3 in the paper.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        condition: int,
        hidden: int = 128,
        predictor_kernel: int = 3,
    ) -> None:
        super().__init__()
        middle = min(in_channels, out_channels)
        self.gen_weights1 = Predictor(condition, hidden, in_channels * 9, predictor_kernel)
        self.gen_weights2 = Predictor(condition, hidden, middle * 9, predictor_kernel)
        self.gen_se_weights1 = Predictor(condition, hidden, middle, predictor_kernel)
        self.gen_se_weights2 = Predictor(condition, hidden, out_channels, predictor_kernel)
        self.norm_1 = nn.BatchNorm2d(in_channels)
        self.conv_1 = nn.Conv2d(in_channels, middle, 1)
        self.norm_2 = nn.BatchNorm2d(middle)
        self.conv_3 = nn.Conv2d(middle, out_channels, 1)
        self.learned_shortcut = in_channels != out_channels
        if self.learned_shortcut:
            self.norm_s = SpatiallyAdaptiveNorm(in_channels, condition, hidden)
            self.conv_s = SpectralNormConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``x [N, in, H, W]``, ``condition [N, S+n, H, W]`` -> ``[N, out, H, W]``."""
        hidden = self.hidden_features(condition)
        g1 = torch.sigmoid(self.gen_se_weights1.last(hidden[2]))
        g2 = torch.sigmoid(self.gen_se_weights2.last(hidden[3]))
        shortcut = self.conv_s(self.norm_s(x, hidden[4])) if self.learned_shortcut else x
        d = conditional_conv(self.norm_1(x), hidden[0], self.gen_weights1.last)
        d = F.leaky_relu(self.conv_1(d) * g1, LEAKY_SLOPE)
        d = conditional_conv(self.norm_2(d), hidden[1], self.gen_weights2.last)
        d = F.leaky_relu(self.conv_3(d) * g2, LEAKY_SLOPE)
        return shortcut + d

    def first_convs(self) -> list[nn.Conv2d]:
        """First convolutions of the predictors and of the shortcut's norm: all read the condition."""
        nets = [self.gen_weights1, self.gen_weights2, self.gen_se_weights1, self.gen_se_weights2]
        shortcut = [cast(nn.Conv2d, self.norm_s.mlp_shared[0])] if self.learned_shortcut else []
        return [net.first for net in nets] + shortcut

    def hidden_features(self, condition: Tensor) -> list[Tensor]:
        """Hidden features of every predictor, computed by one convolution because they share its input."""
        convs = self.first_convs()
        weight = torch.cat([conv.weight for conv in convs])
        bias = torch.cat([conv.bias for conv in convs if conv.bias is not None])
        return list(F.relu(F.conv2d(condition, weight, bias, padding=1)).chunk(len(convs), 1))
