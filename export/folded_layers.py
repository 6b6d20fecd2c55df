"""Layers of an exported graph: fixed weights, everything foldable folded."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.export.folding import batch_norm_affine
from layoutrt.operators.layout_conv import layout_conv, table_from_weight
from layoutrt.operators.predicted_conv import predicted_conv


class Conditioned(nn.Module):
    """A convolution of one-hot labels, instance edges and features that never builds their concatenation.

    Args:
        weight: ``[C, S + n, k, k]``; the first ``num_classes`` inputs are the labels.
        bias: ``[C]``.
        num_classes: one-hot channels.
        stride: 1 or 2.
    """

    def __init__(self, weight: Tensor, bias: Tensor, num_classes: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        weight, bias = weight.detach(), bias.detach()
        self.table = nn.Buffer(table_from_weight(weight[:, :num_classes]))
        self.bias = nn.Buffer(bias.clone())
        rest = weight[:, num_classes:].clone()
        self.weight = nn.Buffer(rest) if rest.shape[1] else None

    def forward(self, labels: Tensor, rest: Tensor | None) -> Tensor:
        """Labels uint8 ``[N, H, W]``; the remaining channels ``[N, S + n - num_classes, H, W]``, if any."""
        y = layout_conv(labels, self.table, self.bias, self.stride)
        if self.weight is not None:
            assert rest is not None
            y = y + F.conv2d(rest, self.weight, None, self.stride, self.weight.shape[-1] // 2)
        return y


def conditioned(conv: nn.Conv2d, num_classes: int) -> Conditioned:
    """A convolution of the condition, its first ``num_classes`` inputs as table look-ups."""
    assert conv.bias is not None
    return Conditioned(conv.weight, conv.bias, num_classes)


class FoldedConv(nn.Module):
    """A plain convolution with fixed weights."""

    def __init__(self, weight: Tensor, bias: Tensor | None, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.weight = nn.Buffer(weight.detach().clone())
        self.bias = nn.Buffer(bias.detach().clone()) if bias is not None else None
        self.stride, self.dilation = stride, dilation

    def forward(self, x: Tensor) -> Tensor:
        """``[N, in, H, W]`` -> ``[N, out, H/stride, W/stride]``."""
        padding = self.weight.shape[-1] // 2 * self.dilation
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation)


class FoldedPredictor(nn.Module):
    """A norm, a kernel predictor's last convolution and the conditional convolution, as one operator."""

    def __init__(self, norm: nn.BatchNorm2d, predictor: nn.Conv2d) -> None:
        super().__init__()
        scale, shift = batch_norm_affine(norm)
        self.scale, self.shift = nn.Buffer(scale.detach()), nn.Buffer(shift.detach())
        assert predictor.bias is not None
        self.weight = nn.Buffer(predictor.weight.detach().clone())
        self.bias = nn.Buffer(predictor.bias.detach().clone())

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """``x [N, C, H, W]``, ``hidden [N, J, H, W]`` -> ``[N, C, H, W]``."""
        return predicted_conv(x, hidden, self.weight, self.bias, self.scale, self.shift)


def nearest(maps: Tensor, step: int) -> Tensor:
    """Every ``step``-th pixel of ``[…, H, W]``: nearest resizing by a whole factor is sampling."""
    return maps if step == 1 else maps[..., ::step, ::step]
