"""The generator of CC-FPSE (paper, section 3)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.train.networks.conditional_block import LEAKY_SLOPE, ConditionalBlock
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
    """Whether the features are doubled before the block."""
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


@dataclass(frozen=True)
class GeneratorConfig:
    """What a generator is built from; stored with every checkpoint."""

    num_classes: int
    """One-hot channels, "don't care" included."""
    instance_edges: bool = False
    """Whether an instance-edge channel follows them."""
    width: int = 64
    hidden: int = 128
    """Hidden channels of the kernel predictors."""
    predictor_kernel: int = 3
    pyramid_levels: int = 6
    latent: int = 0
    """Length of ``z``, or 0 for a generator whose head reads the layout instead."""
    image_height: int = 256
    """Training size; with a latent, the only size."""
    image_width: int = 256

    def __post_init__(self) -> None:
        checks = {
            "num_classes": 1 <= self.num_classes <= 255,
            "width": self.width >= 1,
            "hidden": self.hidden >= 1,
            "predictor_kernel": self.predictor_kernel in (1, 3),
            "pyramid_levels": self.pyramid_levels in (6, 7),
            "latent": self.latent >= 0,
        }
        for field, good in checks.items():
            if not good:
                raise LayoutRTError(
                    f"generator configuration: {field} = {getattr(self, field)} is out of range"
                )
        self.check_size(self.image_height, self.image_width)

    @property
    def semantic_channels(self) -> int:
        """Channels of the semantic tensor."""
        return self.num_classes + int(self.instance_edges)

    @property
    def size_multiple(self) -> int:
        """What heights and widths must be divisible by."""
        return 2 ** (self.pyramid_levels - 1)

    def check_size(self, height: int, width: int) -> None:
        """Refuse a size the generator cannot produce."""
        multiple = self.size_multiple
        if height < multiple or width < multiple or height % multiple or width % multiple:
            raise LayoutRTError(
                f"size {height}x{width} does not fit this generator; "
                f"height and width must be multiples of {multiple}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


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
        """Synthesise images.

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
