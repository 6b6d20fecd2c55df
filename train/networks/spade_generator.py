"""The SPADE generator (Park et al., CVPR 2019, arXiv 1903.07291): the baseline of the ablation.

The layout acts through the norms' scale and shift only; its convolutions are ordinary ones. Everything else,
from the losses to the schedule, is shared with the conditional generators, so a comparison at equal
arithmetic says what conditional convolutions are worth.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.networks.conditional_block import LEAKY_SLOPE, SpatiallyAdaptiveNorm
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.networks.semantics import resize_nearest
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d


class Stage(NamedTuple):
    """One residual block: channels over the width, and whether features are doubled before it."""

    name: str
    in_multiple: int
    out_multiple: int
    upsample: bool


STAGES = (
    Stage("head_0", 16, 16, False),
    Stage("G_middle_0", 16, 16, True),
    Stage("G_middle_1", 16, 16, False),
    Stage("up_0", 16, 8, True),
    Stage("up_1", 8, 4, True),
    Stage("up_2", 4, 2, True),
    Stage("up_3", 2, 1, True),
)


class ModulatedNorm(SpatiallyAdaptiveNorm):
    """SPADE reading the semantics themselves."""

    def forward(self, x: Tensor, semantics: Tensor) -> Tensor:  # type: ignore[override]
        """``x [N, C, H, W]``, ``semantics [N, S, H, W]`` -> ``[N, C, H, W]``."""
        return super().forward(x, self.mlp_shared(semantics))


class SpadeBlock(nn.Module):
    """Two modulated 3x3 convolutions and a shortcut (paper, figure 4)."""

    def __init__(self, in_channels: int, out_channels: int, semantic_channels: int, hidden: int) -> None:
        super().__init__()
        middle = min(in_channels, out_channels)
        self.norm_0 = ModulatedNorm(in_channels, semantic_channels, hidden)
        self.conv_0 = SpectralNormConv2d(in_channels, middle, 3)
        self.norm_1 = ModulatedNorm(middle, semantic_channels, hidden)
        self.conv_1 = SpectralNormConv2d(middle, out_channels, 3)
        self.learned_shortcut = in_channels != out_channels
        if self.learned_shortcut:
            self.norm_s = ModulatedNorm(in_channels, semantic_channels, hidden)
            self.conv_s = SpectralNormConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor, semantics: Tensor) -> Tensor:
        """``x [N, in, H, W]``, ``semantics [N, S, H, W]`` -> ``[N, out, H, W]``."""
        shortcut = self.conv_s(self.norm_s(x, semantics)) if self.learned_shortcut else x
        d = self.conv_0(F.leaky_relu(self.norm_0(x, semantics), LEAKY_SLOPE))
        d = self.conv_1(F.leaky_relu(self.norm_1(d, semantics), LEAKY_SLOPE))
        return shortcut + d


class SpadeGenerator(AnyGenerator):
    """Layout to image; ``config.hidden`` is the number of hidden channels of the norms (128 in the paper)."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        width, semantic = config.width, config.semantic_channels
        self.fc = nn.Conv2d(semantic, 16 * width, 3, padding=1)
        for name, in_multiple, out_multiple, _ in STAGES:
            block = SpadeBlock(in_multiple * width, out_multiple * width, semantic, config.hidden)
            self.add_module(name, block)
        self.conv_img = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, semantics: Tensor, z: Tensor | None = None) -> Tensor:
        """Synthesize images.

        Args:
            semantics: float ``[N, S, H, W]`` from `semantic_tensor`.
            z: None; this generator has no latent.

        Returns:
            float ``[N, 3, H, W]`` in [-1, 1].

        Raises:
            LayoutRTError: a size that is not a multiple of 32.
        """
        height, width = semantics.shape[2:]
        self.config.check_size(height, width)
        multiple = self.config.size_multiple
        x = self.fc(resize_nearest(semantics, (height // multiple, width // multiple)))
        for name, _, _, upsample in STAGES:
            if upsample:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = self.get_submodule(name)(x, resize_nearest(semantics, (x.shape[2], x.shape[3])))
        return torch.tanh(self.conv_img(F.leaky_relu(x, LEAKY_SLOPE)))

    def blocks(self) -> list[nn.Module]:
        """The residual blocks, one a stage."""
        return [self.get_submodule(stage.name) for stage in STAGES]

    def distillation_points(self) -> dict[str, nn.Module]:
        """Blocks whose outputs a student may imitate, by stride."""
        return {str(8 // 2**k): self.get_submodule(f"up_{k}") for k in range(4)}
