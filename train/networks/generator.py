"""The generator of CC-FPSE (paper, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.train.networks.conditional_block import LEAKY_SLOPE, ConditionalBlock
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.layout_pyramid import LayoutPyramid
from layoutrt.train.networks.semantics import resize_nearest


@dataclass(frozen=True)
class Stage:
    """One block of the generator: how it is reached and what it is wired to."""

    name: str
    in_multiple: int
    """Input channels over the width."""
    out_multiple: int
    upsample: bool
    """True where the features are doubled before the block."""
    level: int
    """Index of its pyramid feature, 0 = deepest."""


def stages(pyramid_levels: int) -> tuple[Stage, ...]:
    """The blocks in order: 5 doublings for 6 levels, 6 doublings for 7 ("more up-sampling layers")."""
    deeper = pyramid_levels - 6
    return (
        Stage("head_0", 16, 16, False, 0),
        Stage("G_middle_0", 16, 16, True, 1),
        Stage("G_middle_1", 16, 16, bool(deeper), 1 + deeper),
        Stage("up_0", 16, 8, True, 2 + deeper),
        Stage("up_1", 8, 4, True, 3 + deeper),
        Stage("up_2", 4, 2, True, 4 + deeper),
        Stage("up_3", 2, 1, True, 5 + deeper),
    )


class Generator(LayoutPyramid):
    """Layout (and latent) to image.

    Differences from the release, none of which changes the result: ``z`` is always given, never sampled here;
    modules that the release creates and never uses are absent.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        n, semantic = config.width, config.semantic_channels
        if config.latent:
            multiple = config.size_multiple
            self.start = (config.image_height // multiple, config.image_width // multiple)
            self.fc: nn.Module = nn.Linear(config.latent, 16 * n * self.start[0] * self.start[1])
        else:
            self.fc = nn.Conv2d(semantic, 16 * n, 3, padding=1)
        self.build_pyramid(semantic, n, config.pyramid_levels)
        self.stages = stages(config.pyramid_levels)
        for stage in self.stages:
            block = ConditionalBlock(
                stage.in_multiple * n,
                stage.out_multiple * n,
                semantic + n,
                config.hidden,
                config.predictor_kernel,
            )
            self.add_module(stage.name, block)
        self.conv_img = nn.Conv2d(n, 3, 3, padding=1)

    def forward(self, semantics: Tensor, z: Tensor | None = None) -> Tensor:
        """Synthesize images.

        Args:
            semantics: float ``[N, S, H, W]`` from `semantic_tensor`.
            z: float ``[N, latent]`` where the generator has a latent, else None.

        Returns:
            float ``[N, 3, H, W]`` in [-1, 1].

        Raises:
            LayoutRTError: a size or a latent that does not fit the configuration.
        """
        height, width = semantics.shape[2:]
        self.config.check_size(height, width)
        x = self.head(semantics, z)
        features = self.pyramid(semantics)
        for stage in self.stages:
            if stage.upsample:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            condition = torch.cat(
                [resize_nearest(semantics, (x.shape[2], x.shape[3])), features[stage.level]], 1
            )
            x = self.get_submodule(stage.name)(x, condition)
        return torch.tanh(self.conv_img(F.leaky_relu(x, LEAKY_SLOPE)))

    def head(self, semantics: Tensor, z: Tensor | None) -> Tensor:
        """The features that the first block starts from, ``[N, 16n, H/m, W/m]``."""
        multiple = self.config.size_multiple
        start = (semantics.shape[2] // multiple, semantics.shape[3] // multiple)
        if not self.config.latent:
            return self.fc(resize_nearest(semantics, start))
        if z is None or z.shape[1:] != (self.config.latent,):
            raise LayoutRTError(f"this generator needs a latent z of [N, {self.config.latent}]")
        if start != self.start:
            raise LayoutRTError(
                f"a generator with a latent makes one size, {self.config.image_height}x"
                f"{self.config.image_width}; the layout is {semantics.shape[2]}x{semantics.shape[3]}"
            )
        return self.fc(z).unflatten(1, (-1, *start))

    def distillation_points(self) -> dict[str, nn.Module]:
        """Blocks whose outputs a student may imitate, by stride: ``"8"`` is 1/8 of the size."""
        return {str(8 // 2**k): self.get_submodule(f"up_{k}") for k in range(4)}
