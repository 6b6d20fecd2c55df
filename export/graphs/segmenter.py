"""The segmenter as every backend runs it: camera frame in, labels out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from layoutrt.export.graphs.folded_layers import FoldedConv
from layoutrt.export.graphs.folding import batch_norm_affine
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.segmenter import NormedConv, Segmenter

NEVER = -1e30
"""Added to the score of a class that must not be predicted."""


class SegmenterPipeline(nn.Module):
    """RGB bytes to labels.

    Args:
        segmenter: segmenter in evaluation mode.
        label_set: label set of its classes; "don't care" is never predicted.
    """

    def __init__(self, segmenter: Segmenter, label_set: LabelSet) -> None:
        super().__init__()
        self.network = copy.deepcopy(segmenter)
        for name, module in list(self.network.named_modules()):
            if isinstance(module, NormedConv):
                self.network.set_submodule(name, folded(module))
        never_predict_dont_care(self.network, label_set)

    def forward(self, frame: Tensor) -> Tensor:
        """Frame uint8 ``[N, H, W, 3]``, RGB -> labels uint8 ``[N, H, W]``; H and W divisible by 16."""
        return self.scores(frame).argmax(1).to(torch.uint8)

    def scores(self, frame: Tensor) -> Tensor:
        """Class scores, float32 ``[N, num_classes, H, W]``."""
        return self.network(frame.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1)


def never_predict_dont_care(segmenter: Segmenter, label_set: LabelSet) -> None:
    """Give the class without a meaning, if any, a score below all others. Changes ``segmenter``."""
    if label_set.dont_care is not None:
        bias = segmenter.classify.bias
        assert bias is not None
        with torch.no_grad():
            segmenter.classify.weight[label_set.dont_care] = 0
            bias[label_set.dont_care] = NEVER


def folded(layer: NormedConv) -> FoldedConv:
    """One convolution equal to the convolution and the norm after it."""
    scale, shift = batch_norm_affine(layer.norm)
    conv = layer.conv
    return FoldedConv(conv.weight * scale[:, None, None, None], shift, conv.stride[0], conv.dilation[0])
