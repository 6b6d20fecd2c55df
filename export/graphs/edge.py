"""The edge generator as an exported graph."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.export.graphs.base import GeneratorPipeline
from layoutrt.export.graphs.folded_layers import (
    Conditioned,
    FoldedConv,
    FoldedPredictor,
    GatedPredictor,
    LastConv,
    PixelShuffle,
    conditioned,
    nearest,
)
from layoutrt.export.graphs.folding import fold_normed_conv
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.edge_generator import (
    LEVELS,
    EdgeBlock,
    EdgeGenerator,
    EdgeLevel,
    smooth_kernel,
    styled,
)


class FoldedBlock(nn.Module):
    """`EdgeBlock` with its norms folded."""

    def __init__(self, block: EdgeBlock) -> None:
        super().__init__()
        half = functools.partial(GatedPredictor, fused=True)
        self.half_1 = half(block.spatial_1.norm, block.spatial_1.kernels, block.mix_1, block.gate_1)
        self.half_2 = half(block.spatial_2.norm, block.spatial_2.kernels, block.mix_2, block.gate_2)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """``x [N, C, H, W]``, ``hidden [N, J, H, W]`` -> ``[N, C, H, W]``."""
        return self.half_2(self.half_1(x, hidden, hidden, None), hidden, hidden, x)


class FoldedLevel(nn.Module):
    """`EdgeLevel` reading labels instead of their one-hot tensor."""

    def __init__(self, level: EdgeLevel, num_classes: int) -> None:
        super().__init__()
        self.condition = conditioned(level.condition, num_classes)
        self.blocks = nn.ModuleList(FoldedBlock(block) for block in level.blocks)  # type: ignore[arg-type]

    def forward(self, x: Tensor, labels: Tensor, condition: Tensor) -> Tensor:
        """``x [N, C, H, W]``, labels and the rest of the condition at that size -> ``[N, C, H, W]``."""
        hidden = F.relu(self.condition(labels, condition))
        for block in self.blocks:
            x = block(x, hidden)
        return x


class Doubled(nn.Module):
    """`layoutrt.train.networks.edge_generator.doubled` with its filter as a constant."""

    def __init__(self, channels: int, smooth: bool) -> None:
        super().__init__()
        self.kernel = nn.Buffer(smooth_kernel(channels)) if smooth else None

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> ``[N, C, 2H, 2W]``."""
        x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        return x if self.kernel is None else F.conv2d(x, self.kernel, padding=1, groups=x.shape[1])


class EdgePipeline(GeneratorPipeline):
    """The edge generator.

    Args:
        generator: generator in evaluation mode.
        label_set: label set of its labels.
    """

    def __init__(self, generator: EdgeGenerator, label_set: LabelSet) -> None:
        super().__init__(generator.config, label_set)
        classes = generator.config.num_classes
        self.head = conditioned(generator.head, classes)
        self.style = generator.style
        first, *down = generator.context.down
        self.enter = Conditioned(*fold_normed_conv(first), classes, stride=2)  # type: ignore[arg-type]
        self.down = nn.ModuleList(FoldedConv(*fold_normed_conv(conv), 2) for conv in down)  # type: ignore[arg-type]
        fold = lambda convs: nn.ModuleList(FoldedConv(*fold_normed_conv(conv)) for conv in convs)  # noqa: E731
        self.lateral, self.up = fold(generator.context.lateral), fold(generator.context.up)
        self.levels = nn.ModuleList(FoldedLevel(level, classes) for level in generator.levels)  # type: ignore[arg-type]
        self.reduce = nn.ModuleList(FoldedConv(conv.weight, conv.bias) for conv in generator.reduce)  # type: ignore[arg-type]
        smooth = generator.config.upsampling == "smooth"
        self.doublings = nn.ModuleList(Doubled(conv.out_channels, smooth) for conv in generator.reduce)  # type: ignore[arg-type]
        self.to_full = FoldedConv(generator.to_full.weight, generator.to_full.bias)
        self.shuffle = PixelShuffle(generator.to_full.out_channels // 4, 2)
        self.full_condition = conditioned(generator.full_condition, classes)
        self.full_spatial = FoldedPredictor(generator.full_spatial.norm, generator.full_spatial.kernels)
        self.to_rgb = LastConv(generator.to_rgb)

    def last_features(
        self, labels: Tensor, edges: Tensor | None, z: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """See `GeneratorPipeline`."""
        sampled = lambda stride: None if edges is None else nearest(edges, stride)  # noqa: E731
        x = self.head(nearest(labels, LEVELS[0].stride), sampled(LEVELS[0].stride))
        context = self.context(labels, edges)
        styles = self.style(z) if self.style is not None and z is not None else None
        for k, level in enumerate(self.levels):
            stride = LEVELS[k].stride
            x = self.reduce[k - 1](x) if k else x
            x = styled(x, styles[k]) if styles else x
            x = self.doublings[k - 1](x) if k else x
            condition = context[k] if edges is None else torch.cat([nearest(edges, stride), context[k]], 1)
            x = level(x, nearest(labels, stride), condition)
        x = self.shuffle(self.to_full(F.leaky_relu(x, LEAKY_SLOPE)))
        hidden = F.relu(self.full_condition(labels, edges))
        x = F.leaky_relu(x + self.full_spatial(x, hidden), LEAKY_SLOPE)
        return x, hidden

    def context(self, labels: Tensor, edges: Tensor | None) -> list[Tensor]:
        """Layout features at strides 32 to 2."""
        encoded = [F.leaky_relu(self.enter(labels, edges), LEAKY_SLOPE)]
        for down in self.down:
            encoded.append(F.leaky_relu(down(encoded[-1]), LEAKY_SLOPE))
        features = [encoded.pop()]
        for lateral, up in zip(self.lateral, self.up, strict=True):
            side = F.leaky_relu(lateral(encoded.pop()), LEAKY_SLOPE)
            raised = F.interpolate(features[-1], scale_factor=2.0, mode="nearest")
            features.append(F.leaky_relu(up(raised + side), LEAKY_SLOPE))
        return features
