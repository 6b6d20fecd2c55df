"""The paper's generator as an exported graph. `train.networks` holds its plain form."""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.export.graphs.base import GeneratorPipeline
from layoutrt.export.graphs.folded_layers import (
    Conditioned,
    FoldedConv,
    GatedPredictor,
    LastConv,
    conditioned,
    nearest,
)
from layoutrt.export.graphs.folding import baked_weight, batch_norm_affine, fold_normed_conv
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.conditional_block import LEAKY_SLOPE, ConditionalBlock
from layoutrt.train.networks.generator import Generator


class InferenceBlock(nn.Module):
    """`ConditionalBlock` with its norms folded.

    The convolutions that read the condition stay apart: merged, their features would exist all at once.

    Args:
        block: block in evaluation mode.
        num_classes: one-hot channels of the condition.
        fused: make each half one operator, as predictors of 1x1 allow.
    """

    def __init__(self, block: ConditionalBlock, num_classes: int, *, fused: bool) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(conditioned(conv, num_classes) for conv in block.first_convs())
        half = functools.partial(GatedPredictor, fused=fused)
        self.half_1 = half(block.norm_1, block.gen_weights1.last, block.conv_1, block.gen_se_weights1.last)
        self.half_2 = half(block.norm_2, block.gen_weights2.last, block.conv_3, block.gen_se_weights2.last)
        self.learned_shortcut = block.learned_shortcut
        if block.learned_shortcut:
            norm = block.norm_s
            scale, shift = batch_norm_affine(norm.param_free_norm)
            self.scale = nn.Buffer(scale.view(-1, 1, 1).detach())
            self.shift = nn.Buffer(shift.view(-1, 1, 1).detach())
            assert norm.mlp_gamma.bias is not None
            assert norm.mlp_beta.bias is not None
            # The "1 +" of SPADE's scale goes into the bias of its convolution.
            self.modulation = FoldedConv(
                torch.cat([norm.mlp_gamma.weight, norm.mlp_beta.weight]),
                torch.cat([norm.mlp_gamma.bias + 1, norm.mlp_beta.bias]),
            )
            self.project = FoldedConv(baked_weight(block.conv_s), None)

    def forward(self, x: Tensor, labels: Tensor, condition: Tensor) -> Tensor:
        """``x [N, in, H, W]``, labels and the rest of the condition at that size -> ``[N, out, H, W]``."""
        hidden = [F.relu(conv(labels, condition)) for conv in self.hidden]
        if self.learned_shortcut:
            gamma, beta = self.modulation(hidden[4]).chunk(2, 1)
            shortcut = self.project((x * self.scale + self.shift) * gamma + beta)
        else:
            shortcut = x
        d = self.half_1(x, hidden[0], hidden[2], None)
        return self.half_2(d, hidden[1], hidden[3], shortcut)


class CcFpsePipeline(GeneratorPipeline):
    """The paper's generator, with or without a latent.

    Args:
        generator: generator in evaluation mode.
        label_set: label set of its labels.
    """

    def __init__(self, generator: Generator, label_set: LabelSet) -> None:
        config = generator.config
        super().__init__(config, label_set)
        self.stages = generator.stages
        classes = config.num_classes
        if config.latent:
            self.start = generator.start
            self.head: nn.Module = nn.Linear(config.latent, generator.fc.out_features)  # type: ignore[arg-type]
            self.head.load_state_dict(generator.fc.state_dict())
        else:
            fc = generator.fc
            assert isinstance(fc, nn.Conv2d)
            assert fc.bias is not None
            self.head = Conditioned(fc.weight, fc.bias, classes)
        levels = config.pyramid_levels
        self.enter = Conditioned(*fold_normed_conv(generator.get_submodule("labelenc1")), classes)  # type: ignore[arg-type]
        fold = lambda name, stride=1: FoldedConv(*fold_normed_conv(generator.get_submodule(name)), stride)  # type: ignore[arg-type]  # noqa: E731
        self.down = nn.ModuleList(fold(f"labelenc{k}", 2) for k in range(2, levels + 1))
        self.lateral = nn.ModuleList(fold(f"labellat{k}") for k in range(1, levels))
        self.up = nn.ModuleList(fold(f"labeldec{k}") for k in range(1, levels))
        # With a latent, the graph may be split in two, with the predicted kernels and gates between them.
        fused = config.predictor_kernel == 1 and not config.latent
        self.blocks = nn.ModuleList(
            InferenceBlock(generator.get_submodule(stage.name), classes, fused=fused)  # type: ignore[arg-type]
            for stage in self.stages
        )
        self.to_rgb = LastConv(generator.conv_img)

    def last_features(
        self, labels: Tensor, edges: Tensor | None, z: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """See `GeneratorPipeline`."""
        multiple = self.config.size_multiple
        if self.config.latent:
            x = self.head(z).unflatten(1, (-1, *self.start))
        else:
            x = self.head(nearest(labels, multiple), None if edges is None else nearest(edges, multiple))
        features = self.pyramid(labels, edges)
        for stage, block in zip(self.stages, self.blocks, strict=True):
            if stage.upsample:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                multiple //= 2
            condition = features[stage.level]
            if edges is not None:
                condition = torch.cat([nearest(edges, multiple), condition], 1)
            x = block(x, nearest(labels, multiple), condition)
        return F.leaky_relu(x, LEAKY_SLOPE), None

    def pyramid(self, labels: Tensor, edges: Tensor | None) -> list[Tensor]:
        """The label pyramid's features, deepest first."""
        encoded = [F.leaky_relu(self.enter(labels, edges), LEAKY_SLOPE)]
        for down in self.down:
            encoded.append(F.leaky_relu(down(encoded[-1]), LEAKY_SLOPE))
        features = [encoded.pop()]
        for lateral, up in zip(self.lateral, self.up, strict=True):
            side = F.leaky_relu(lateral(encoded.pop()), LEAKY_SLOPE)
            raised = F.interpolate(features[-1], scale_factor=2.0, mode="nearest")
            features.append(F.leaky_relu(up(raised + side), LEAKY_SLOPE))
        return features
