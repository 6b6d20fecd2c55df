"""The SPADE baseline as an exported graph: its hidden layers, too, are table look-ups."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.export.graphs.base import GeneratorPipeline
from layoutrt.export.graphs.folded_layers import FoldedConv, LastConv, conditioned, nearest
from layoutrt.export.graphs.folding import baked_weight, batch_norm_affine
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.conditional_block import LEAKY_SLOPE
from layoutrt.train.networks.spade_generator import STAGES, ModulatedNorm, SpadeBlock, SpadeGenerator


class FoldedNorm(nn.Module):
    """`ModulatedNorm` with its two predictors merged."""

    def __init__(self, norm: ModulatedNorm, num_classes: int) -> None:
        super().__init__()
        scale, shift = batch_norm_affine(norm.param_free_norm)
        self.scale = nn.Buffer(scale.view(-1, 1, 1).detach())
        self.shift = nn.Buffer(shift.view(-1, 1, 1).detach())
        self.hidden = conditioned(cast(nn.Conv2d, norm.mlp_shared[0]), num_classes)
        assert norm.mlp_gamma.bias is not None
        assert norm.mlp_beta.bias is not None
        # The "1 +" of the scale goes into the bias of its convolution.
        self.modulation = FoldedConv(
            torch.cat([norm.mlp_gamma.weight, norm.mlp_beta.weight]),
            torch.cat([norm.mlp_gamma.bias + 1, norm.mlp_beta.bias]),
        )

    def forward(self, x: Tensor, labels: Tensor, edges: Tensor | None) -> Tensor:
        """``x [N, C, H, W]``, labels and edges at that size -> ``[N, C, H, W]``."""
        gamma, beta = self.modulation(F.relu(self.hidden(labels, edges))).chunk(2, 1)
        return (x * self.scale + self.shift) * gamma + beta


class FoldedBlock(nn.Module):
    """`SpadeBlock` with its norms and spectral norms folded."""

    def __init__(self, block: SpadeBlock, num_classes: int) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = (FoldedNorm(norm, num_classes) for norm in (block.norm_0, block.norm_1))
        self.conv_0 = FoldedConv(baked_weight(block.conv_0), block.conv_0.bias)
        self.conv_1 = FoldedConv(baked_weight(block.conv_1), block.conv_1.bias)
        self.learned_shortcut = block.learned_shortcut
        if block.learned_shortcut:
            self.norm_s = FoldedNorm(block.norm_s, num_classes)
            self.conv_s = FoldedConv(baked_weight(block.conv_s), None)

    def forward(self, x: Tensor, labels: Tensor, edges: Tensor | None) -> Tensor:
        """``x [N, in, H, W]``, labels and edges at that size -> ``[N, out, H, W]``."""
        shortcut = self.conv_s(self.norm_s(x, labels, edges)) if self.learned_shortcut else x
        d = self.conv_0(F.leaky_relu(self.norm_0(x, labels, edges), LEAKY_SLOPE))
        d = self.conv_1(F.leaky_relu(self.norm_1(d, labels, edges), LEAKY_SLOPE))
        return shortcut + d


class SpadePipeline(GeneratorPipeline):
    """The SPADE generator.

    Args:
        generator: generator in evaluation mode.
        label_set: label set of its labels.
    """

    def __init__(self, generator: SpadeGenerator, label_set: LabelSet) -> None:
        super().__init__(generator.config, label_set)
        classes = generator.config.num_classes
        self.head = conditioned(generator.fc, classes)
        self.blocks = nn.ModuleList(
            FoldedBlock(cast(SpadeBlock, generator.get_submodule(stage.name)), classes) for stage in STAGES
        )
        self.to_rgb = LastConv(generator.conv_img)

    def last_features(
        self, labels: Tensor, edges: Tensor | None, z: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """See `GeneratorPipeline`."""
        sampled = lambda stride: None if edges is None else nearest(edges, stride)  # noqa: E731
        stride = self.config.size_multiple
        x = self.head(nearest(labels, stride), sampled(stride))
        for stage, block in zip(STAGES, self.blocks, strict=True):
            if stage.upsample:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                stride //= 2
            x = block(x, nearest(labels, stride), sampled(stride))
        return F.leaky_relu(x, LEAKY_SLOPE), None
