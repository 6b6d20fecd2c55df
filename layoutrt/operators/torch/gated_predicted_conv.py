"""``GatedPredictedConv``: a conditional convolution with its gated 1x1 convolution, in one operator.

With ``d = PredictedConv(x, h, weight, bias, scale, shift)`` for 3x3 kernels that a 1x1 convolution predicts::

    y = residual + leaky_relu((mix * d + mix_bias) * sigmoid(gate_weight * gate_h + gate_bias), alpha)

which is half of a block of the generator (paper, section 3.1). Native kernels compute all of it for a few
pixels at a time: neither ``d`` nor the gate is stored.
"""

from __future__ import annotations

import onnx
import torch
import torch.nn.functional as F
from onnx.defs import OpSchema
from torch import Tensor

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import FLOATING_POINT, parse_function
from layoutrt.operators.torch import predicted_conv

NAME = "GatedPredictedConv"

ALPHA = 0.2
"""Default slope of the leaky ReLU."""


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


SCHEMA = OpSchema(
    NAME,
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter(name, "T", description)
        for name, description in (
            ("x", "Input, [N, C, H, W]."),
            ("h", "Features that the kernels are predicted from, [N, J, H, W]."),
            ("weight", "Weight of the predictor, [C*9, J, 1, 1]."),
            ("bias", "Bias of the predictor, [C*9]."),
            ("scale", "Scale of x, [C]."),
            ("shift", "Shift of x, [C]."),
            ("mix", "Weight of the 1x1 convolution, [O, C, 1, 1]."),
            ("mix_bias", "Bias of the 1x1 convolution, [O]."),
            ("gate_h", "Features that the gate is predicted from, [N, G, H, W]."),
            ("gate_weight", "Weight of the gate, [O, G, 1, 1]."),
            ("gate_bias", "Bias of the gate, [O]."),
            ("residual", "What is added, [N, O, H, W], or [1, 1, 1, 1]: a number added everywhere."),
        )
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, O, H, W].")],
    type_constraints=[FLOATING_POINT],
    attributes=[
        OpSchema.Attribute(
            "alpha", onnx.helper.make_attribute("alpha", ALPHA), "Slope of the leaky ReLU, 0.2 by default."
        )
    ],
)


def function_body() -> onnx.FunctionProto:
    """The operator as an ONNX function of `PredictedConv` and standard operators.

    A file that carries it must carry the body of `PredictedConv`, with scale and shift, as well.
    """
    return parse_function(
        NAME,
        [parameter.name for parameter in SCHEMA.inputs],
        "y",
        [
            "d = layoutrt.PredictedConv(x, h, weight, bias, scale, shift)",
            "mixed = Conv(d, mix, mix_bias)",
            "logit = Conv(gate_h, gate_weight, gate_bias)",
            "gate = Sigmoid(logit)",
            "product = Mul(mixed, gate)",
            "active = LeakyRelu <alpha: float = @alpha> (product)",
            "y = Add(residual, active)",
        ],
        attributes=["alpha: float = 0.2"],
    )
