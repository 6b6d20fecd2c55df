"""The edge generator: CC-FPSE's conditional convolutions for a budget of 4 GFLOP at 192x256.

What it keeps of the paper's generator: kernels and gates predicted for every pixel from the layout and a
top-down context, at every scale. Where it saves: the predictors of a scale share their hidden features and
are 1x1; channels are reduced before a doubling, not after it; context and blocks end at half size. Full size
has one conditional convolution of few channels whose kernels depend on the labels around a pixel alone:
boundaries are drawn there, at the cost of table look-ups.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.operators.torch.predicted_conv import predicted_conv
from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.layout_pyramid import normed_conv
from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.networks.semantics import resize_nearest

FULL_SIZE_CHANNELS = 8
FULL_SIZE_HIDDEN = 16


class Level(NamedTuple):
    """One scale of the generator."""

    stride: int
    multiple: int
    """Channels over the width."""
    blocks: int


LEVELS = (Level(32, 8, 1), Level(16, 8, 1), Level(8, 4, 2), Level(4, 2, 2), Level(2, 1, 2))


class PredictedDepthwise(nn.Module):
    """Batch norm, then a depthwise convolution whose kernels a 1x1 convolution predicts for every pixel."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.kernels = nn.Conv2d(hidden, channels * 9, 1)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """``x [N, C, H, W]``, ``hidden [N, J, H, W]`` -> ``[N, C, H, W]``."""
        assert self.kernels.bias is not None
        return predicted_conv(self.norm(x), hidden, self.kernels.weight, self.kernels.bias)


class EdgeBlock(nn.Module):
    """Two conditional convolutions with gated 1x1 convolutions around an identity (paper, section 3.1)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.spatial_1 = PredictedDepthwise(channels, hidden)
        self.gate_1 = nn.Conv2d(hidden, channels, 1)
        self.mix_1 = nn.Conv2d(channels, channels, 1)
        self.spatial_2 = PredictedDepthwise(channels, hidden)
        self.gate_2 = nn.Conv2d(hidden, channels, 1)
        self.mix_2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """``x [N, C, H, W]``, ``hidden [N, J, H, W]`` -> ``[N, C, H, W]``."""
        d = self.mix_1(self.spatial_1(x, hidden)) * torch.sigmoid(self.gate_1(hidden))
        d = F.leaky_relu(d, LEAKY_SLOPE)
        d = self.mix_2(self.spatial_2(d, hidden)) * torch.sigmoid(self.gate_2(hidden))
        return x + F.leaky_relu(d, LEAKY_SLOPE)


class EdgeLevel(nn.Module):
    """The blocks of one scale and the hidden features that their predictors share."""

    def __init__(self, channels: int, condition: int, hidden: int, blocks: int) -> None:
        super().__init__()
        self.condition = nn.Conv2d(condition, hidden, 3, padding=1)
        self.blocks = nn.ModuleList(EdgeBlock(channels, hidden) for _ in range(blocks))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``x [N, C, H, W]``, ``condition [N, S+n, H, W]`` -> ``[N, C, H, W]``."""
        hidden = F.relu(self.condition(condition))
        for block in self.blocks:
            x = block(x, hidden)
        return x


class Style(nn.Module):
    """Scale and shift of the channels that each scale starts from, as one linear map of ``z`` says.

    Features alone depend on ``z``: kernels and gates stay those of the layout, and a layout that was read
    once serves every style.
    """

    def __init__(self, latent: int, channels: list[int]) -> None:
        super().__init__()
        self.channels = channels
        self.linear = nn.Linear(latent, 2 * sum(channels))

    def forward(self, z: Tensor) -> list[Tensor]:
        """``z [N, latent]`` -> for each scale ``[N, 2C, 1, 1]``, to be given to `styled`."""
        parts = self.linear(z)[:, :, None, None]
        return list(parts.split([2 * count for count in self.channels], 1))


def styled(x: Tensor, style: Tensor) -> Tensor:
    """``x [N, C, H, W]`` scaled and shifted by ``style [N, 2C, 1, 1]``; one of zeros changes nothing."""
    scale, shift = style.chunk(2, 1)
    return x + x * scale + shift


def doubled(x: Tensor, upsampling: str) -> Tensor:
    """``x [N, C, H, W]`` at twice its height and width.

    Doubled by repetition, a pixel is a square; depthwise convolutions of three pixels leave its edges, which
    a sky shows. "smooth" filters it with (1, 2, 1) / 4 in both directions, which is bilinear doubling with
    zeros around, and a third of the time of ONNX Runtime's own.
    """
    x = F.interpolate(x, scale_factor=2.0, mode="nearest")
    if upsampling == "nearest":
        return x
    return F.conv2d(x, smooth_kernel(x.shape[1]).to(x), padding=1, groups=x.shape[1])


def smooth_kernel(channels: int) -> Tensor:
    """The filter of `doubled` for a depthwise convolution, float32 ``[C, 1, 3, 3]``."""
    line = torch.tensor([0.25, 0.5, 0.25])
    return (line[:, None] * line).repeat(channels, 1, 1, 1)


class ContextPyramid(nn.Module):
    """Layout features at strides 2 to 32, each aware of those below it (paper, figure 2)."""

    def __init__(self, semantic_channels: int, width: int) -> None:
        super().__init__()
        inputs = [semantic_channels, *[width] * (len(LEVELS) - 1)]
        self.down = nn.ModuleList(normed_conv(channels, width, 3, stride=2) for channels in inputs)
        self.lateral = nn.ModuleList(normed_conv(width, width, 1) for _ in LEVELS[1:])
        self.up = nn.ModuleList(normed_conv(width, width, 3) for _ in LEVELS[1:])

    def forward(self, semantics: Tensor) -> list[Tensor]:
        """Semantics ``[N, S, H, W]`` -> features ``[N, n, H/s, W/s]``, s = 32, 16, 8, 4, 2."""
        encoded = []
        x = semantics
        for down in self.down:
            x = down(x)
            encoded.append(x)
        features = [encoded.pop()]
        for lateral, up in zip(self.lateral, self.up, strict=True):
            raised = F.interpolate(features[-1], scale_factor=2.0, mode="nearest")
            features.append(up(raised + lateral(encoded.pop())))
        return features


class EdgeGenerator(AnyGenerator):
    """Layout to image.

    ``config.width`` is the number of channels at half size and of the context, ``config.hidden`` that of the
    predictors' shared features.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        width, semantic = config.width, config.semantic_channels
        channels = [width * level.multiple for level in LEVELS]
        self.head = nn.Conv2d(semantic, channels[0], 3, padding=1)
        # Scales are styled before their features are doubled: at a quarter of the cost.
        self.style = Style(config.latent, channels) if config.latent else None
        self.context = ContextPyramid(semantic, width)
        self.levels = nn.ModuleList(
            EdgeLevel(count, semantic + width, config.hidden, level.blocks)
            for count, level in zip(channels, LEVELS, strict=True)
        )
        self.reduce = nn.ModuleList(
            nn.Conv2d(before, after, 1) for before, after in itertools.pairwise(channels)
        )
        self.to_full = nn.Conv2d(width, 4 * FULL_SIZE_CHANNELS, 3, padding=1)
        self.full_condition = nn.Conv2d(semantic, FULL_SIZE_HIDDEN, 3, padding=1)
        self.full_spatial = PredictedDepthwise(FULL_SIZE_CHANNELS, FULL_SIZE_HIDDEN)
        self.to_rgb = nn.Conv2d(FULL_SIZE_CHANNELS + FULL_SIZE_HIDDEN, 3, 3, padding=1)

    def forward(self, semantics: Tensor, z: Tensor | None = None) -> Tensor:
        """Synthesize images.

        Args:
            semantics: float ``[N, S, H, W]`` from `semantic_tensor`.
            z: float ``[N, latent]`` where there is a latent.

        Returns:
            float ``[N, 3, H, W]`` in [-1, 1].

        Raises:
            LayoutRTError: a size that is not a multiple of 32, or a missing latent.
        """
        height, width = semantics.shape[2:]
        self.config.check_size(height, width)
        styles = self._styles(z)
        strided = [resize_nearest(semantics, (height // s, width // s)) for s, *_ in LEVELS]
        x = self.head(strided[0])
        for k, (context, level) in enumerate(zip(self.context(semantics), self.levels, strict=True)):
            x = self.reduce[k - 1](x) if k else x
            x = styled(x, styles[k]) if styles else x
            x = doubled(x, self.config.upsampling) if k else x
            x = level(x, torch.cat([strided[k], context], 1))
        x = F.pixel_shuffle(self.to_full(F.leaky_relu(x, LEAKY_SLOPE)), 2)
        hidden = F.relu(self.full_condition(semantics))
        x = F.leaky_relu(x + self.full_spatial(x, hidden), LEAKY_SLOPE)
        return torch.tanh(self.to_rgb(torch.cat([x, hidden], 1)))

    def _styles(self, z: Tensor | None) -> list[Tensor] | None:
        if self.style is None:
            return None
        if z is None or z.shape[1:] != (self.config.latent,):
            raise LayoutRTError(f"this generator needs a latent z of [N, {self.config.latent}]")
        return self.style(z)

    def blocks(self) -> list[nn.Module]:
        """The levels below full size."""
        return list(self.levels)

    def distillation_points(self) -> dict[str, nn.Module]:
        """Levels whose outputs may imitate a teacher's, by stride."""
        return {
            str(level.stride): module
            for level, module in zip(LEVELS, self.levels, strict=True)
            if level.stride <= 8
        }
