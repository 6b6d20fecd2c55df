"""Folding of normalization and spectral norm into the weights around them, once, at export."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from layoutrt.train.networks.spectral_norm import SpectralNormConv2d


def batch_norm_affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Scale and shift ``[C]`` that the norm applies in evaluation mode.

    Computed in double precision: the quotient by a small variance is where float32 would lose digits.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        shift = shift + norm.bias.double()
    return scale.float(), shift.float()


def fold_normed_conv(layer: nn.Sequential) -> tuple[Tensor, Tensor]:
    """Weight and bias of one plain convolution equal to spectral-norm convolution, then batch norm.

    Args:
        layer: layer that `normed_conv` builds; its leaky ReLU stays outside.
    """
    normed = cast(nn.Sequential, layer[0])
    conv, norm = cast(SpectralNormConv2d, normed[0]), cast(nn.BatchNorm2d, normed[1])
    scale, shift = batch_norm_affine(norm)
    return baked_weight(conv) * scale[:, None, None, None], shift


def baked_weight(conv: SpectralNormConv2d) -> Tensor:
    """The weight divided by its singular value; the module must be in evaluation mode."""
    with torch.no_grad():
        return conv.weight().clone()
