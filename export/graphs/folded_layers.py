"""Layers of an exported graph: fixed weights, everything foldable folded."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.export.graphs.folding import batch_norm_affine
from layoutrt.operators.torch.gated_predicted_conv import gated_predicted_conv
from layoutrt.operators.torch.layout_conv import layout_conv, table_from_weight
from layoutrt.operators.torch.predicted_conv import predicted_conv
from layoutrt.train.networks.conditional_block import LEAKY_SLOPE


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


class LastConv(nn.Module):
    """Weight ``[3, C, 3, 3]`` and bias ``[3]`` of the convolution that makes the image."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        assert conv.bias is not None
        self.weight = nn.Buffer(conv.weight.detach().clone())
        self.bias = nn.Buffer(conv.bias.detach().clone())


class PixelShuffle(nn.Module):
    """`torch.nn.PixelShuffle` as a transposed convolution with weights 0 and 1, the same bit for bit.

    ONNX Runtime's DepthToSpace runs on one thread and takes six times as long.

    Args:
        channels: channels of the output.
        factor: by which height and width grow.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        one_each = torch.eye(factor * factor).reshape(factor * factor, 1, factor, factor)
        self.weight = nn.Buffer(one_each.repeat(channels, 1, 1, 1))
        self.channels, self.factor = channels, factor

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C * factor^2, H, W]`` -> ``[N, C, H * factor, W * factor]``."""
        return F.conv_transpose2d(x, self.weight, stride=self.factor, groups=self.channels)


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


class GatedPredictor(nn.Module):
    """Half of a block (paper, section 3.1): conditional convolution, gated 1x1 convolution, leaky ReLU.

    Args:
        norm: norm that is folded into the conditional convolution.
        predictor: last convolution of the kernel predictor.
        mix: the 1x1 convolution.
        gate: last convolution of the gate's predictor.
        fused: make it one operator, which 1x1 convolutions of ``predictor`` and ``gate`` allow.
    """

    def __init__(
        self, norm: nn.BatchNorm2d, predictor: nn.Conv2d, mix: nn.Conv2d, gate: nn.Conv2d, *, fused: bool
    ) -> None:
        super().__init__()
        self.conditional = FoldedPredictor(norm, predictor)
        self.mix = FoldedConv(mix.weight, mix.bias)
        self.gate = FoldedConv(gate.weight, gate.bias)
        self.fused = fused
        self.nothing = nn.Buffer(torch.zeros(1, 1, 1, 1))

    def forward(self, x: Tensor, hidden: Tensor, gate_hidden: Tensor, residual: Tensor | None) -> Tensor:
        """``x [N, C, H, W]``, features of the kernels and of the gate, what is added ``[N, O, H, W]``."""
        if not self.fused:
            d = self.mix(self.conditional(x, hidden)) * torch.sigmoid(self.gate(gate_hidden))
            d = F.leaky_relu(d, LEAKY_SLOPE)
            return d if residual is None else residual + d
        predictor = self.conditional
        return gated_predicted_conv(
            x,
            hidden,
            predictor.weight,
            predictor.bias,
            predictor.scale,
            predictor.shift,
            self.mix.weight,
            self.mix.bias,
            gate_hidden,
            self.gate.weight,
            self.gate.bias,
            self.nothing if residual is None else residual,
            LEAKY_SLOPE,
        )


def nearest(maps: Tensor, step: int) -> Tensor:
    """Every ``step``-th pixel of ``[…, H, W]``: nearest resizing by a whole factor is sampling."""
    return maps if step == 1 else maps[..., ::step, ::step]
