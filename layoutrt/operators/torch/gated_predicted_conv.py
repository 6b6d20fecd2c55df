"""`layoutrt.operators.gated_predicted_conv` in torch, made of `predicted_conv`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from layoutrt.operators.gated_predicted_conv import ALPHA
from layoutrt.operators.torch import predicted_conv


def reference(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor,
    shift: Tensor,
    mix: Tensor,
    mix_bias: Tensor,
    gate_h: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    residual: Tensor,
    alpha: float = ALPHA,
) -> Tensor:
    """One operation after the other; the oracle of tests. All arguments have one floating-point type.

    Args:
        x: ``[N, C, H, W]``.
        h: ``[N, J, H, W]``, features the kernels are predicted from.
        weight, bias: ``[C*9, J, 1, 1]`` and ``[C*9]``, of the predictor.
        scale, shift: ``[C]``, the norm folded into ``x``.
        mix, mix_bias: ``[O, C, 1, 1]`` and ``[O]``.
        gate_h: ``[N, G, H, W]``, features the gate is predicted from.
        gate_weight, gate_bias: ``[O, G, 1, 1]`` and ``[O]``.
        residual: ``[N, O, H, W]``, or ``[1, 1, 1, 1]``, a number that is added everywhere.
        alpha: slope of the leaky ReLU.

    Returns:
        ``[N, O, H, W]``.
    """
    d = predicted_conv.reference(x, h, weight, bias, scale, shift)
    return _gated(d, mix, mix_bias, gate_h, gate_weight, gate_bias, residual, alpha)


def _gated(
    d: Tensor,
    mix: Tensor,
    mix_bias: Tensor,
    gate_h: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    residual: Tensor,
    alpha: float,
) -> Tensor:
    product = F.conv2d(d, mix, mix_bias) * torch.sigmoid(F.conv2d(gate_h, gate_weight, gate_bias))
    return residual + F.leaky_relu(product, alpha)


@torch.library.custom_op("layoutrt::gated_predicted_conv", mutates_args=())
def gated_predicted_conv(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor,
    shift: Tensor,
    mix: Tensor,
    mix_bias: Tensor,
    gate_h: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    residual: Tensor,
    alpha: float = ALPHA,
) -> Tensor:
    """The operator in torch, made for export; arguments and result are those of `reference`.

    It calls `predicted_conv` and torch's own operations; the gradient computes them again.
    """
    d = predicted_conv.predicted_conv(x, h, weight, bias, scale, shift)
    return _gated(d, mix, mix_bias, gate_h, gate_weight, gate_bias, residual, alpha)


@gated_predicted_conv.register_fake
def _(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor,
    shift: Tensor,
    mix: Tensor,
    mix_bias: Tensor,
    gate_h: Tensor,
    gate_weight: Tensor,
    gate_bias: Tensor,
    residual: Tensor,
    alpha: float = ALPHA,
) -> Tensor:
    return x.new_empty(x.shape[0], mix.shape[0], *x.shape[2:])


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    *tensors, ctx.alpha = inputs
    ctx.save_for_backward(*tensors)


def _autograd(ctx, grad):  # type: ignore[no-untyped-def]
    x, h, weight, bias, scale, shift, mix, mix_bias, gate_h, gate_weight, gate_bias, residual = (
        ctx.saved_tensors
    )
    d = predicted_conv.predicted_conv(x, h, weight, bias, scale, shift)
    mixed = F.conv2d(d, mix, mix_bias)
    gate = torch.sigmoid(F.conv2d(gate_h, gate_weight, gate_bias))
    grad_product = torch.where(mixed > 0, grad, grad * ctx.alpha)
    grad_mixed = grad_product * gate
    grad_logit = grad_mixed * mixed * (1 - gate)
    grad_d = F.conv2d(grad_mixed, mix.transpose(0, 1))
    predicted = torch.ops.layoutrt.predicted_conv_backward(grad_d, x, h, weight, bias, scale, shift)
    return (
        *predicted,
        torch.einsum("nohw,nchw->oc", grad_mixed, d)[..., None, None],
        grad_mixed.sum((0, 2, 3)),
        F.conv2d(grad_logit, gate_weight.transpose(0, 1)),
        torch.einsum("nohw,nghw->og", grad_logit, gate_h)[..., None, None],
        grad_logit.sum((0, 2, 3)),
        grad.clone() if residual.shape == grad.shape else grad.sum((0, 1, 2, 3), keepdim=True),
        None,
    )


gated_predicted_conv.register_autograd(_autograd, setup_context=_setup_context)
