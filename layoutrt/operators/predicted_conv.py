"""``PredictedConv``: predict a kernel for every pixel and apply it, without storing the kernels.

``PredictedConv(x, h, weight, bias, scale, shift)`` equals
``SpatiallyVaryingConv(x, Conv(h, weight, bias), scale, shift)``, the convolution padded with ``p//2`` zeros.
The predicted kernels of one layer of the paper's generator take 151 MB at 256x256 in float32; native kernels
compute a strip of them in registers, use it and drop it.
"""

from __future__ import annotations

import onnx
import torch
import torch.nn.functional as F
from onnx.defs import OpSchema
from torch import Tensor

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators import spatially_varying_conv as svc
from layoutrt.operators.onnx_text import AFFINE_PARAMETERS, FLOATING_POINT, parse_function

NAME = "PredictedConv"


def reference(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """The two operators one after the other; the oracle of tests.

    Args:
        x: float ``[N, C, H, W]``.
        h: float ``[N, J, H, W]``, features the kernels are predicted from.
        weight: float ``[C*k*k, J, p, p]``, ``p`` odd.
        bias: float ``[C*k*k]``.
        scale, shift: float ``[C]``, both or neither.

    Returns:
        float ``[N, C, H, W]``.
    """
    kernels = F.conv2d(h, weight, bias, padding=weight.shape[-1] // 2)
    return svc.reference(x, kernels, scale, shift)


@torch.library.custom_op("layoutrt::predicted_conv", mutates_args=())
def predicted_conv(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """The operator for training: the kernels live during the call and are predicted again for the gradient.

    Arguments and result are those of `reference`.
    """
    kernels = F.conv2d(h, weight, bias, padding=weight.shape[-1] // 2)
    return svc.spatially_varying_conv(x, kernels, scale, shift)


@predicted_conv.register_fake
def _(
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@torch.library.custom_op("layoutrt::predicted_conv_backward", mutates_args=())
def _backward(
    grad: Tensor,
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    p = weight.shape[-1]
    kernels = F.conv2d(h, weight, bias, padding=p // 2)
    grad_x, grad_kernels, grad_scale, grad_shift = svc.gradients(grad, x, kernels, scale, shift)
    grad_h, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
        grad_kernels, h, weight, [weight.shape[0]], [1, 1], [p // 2] * 2, [1, 1], False, [0, 0], 1, [True] * 3
    )
    return (
        grad_x,
        grad_h,
        grad_weight,
        grad_bias,
        x.new_empty(0) if grad_scale is None else grad_scale,
        x.new_empty(0) if grad_shift is None else grad_shift,
    )


@_backward.register_fake
def _(
    grad: Tensor,
    x: Tensor,
    h: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    shift: Tensor | None,
) -> tuple[Tensor, ...]:
    like = [torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, h, weight, bias)]
    return (
        *like,
        x.new_empty(0) if scale is None else torch.empty_like(scale),
        x.new_empty(0) if shift is None else torch.empty_like(shift),
    )


def _setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs)


def _autograd(ctx, grad):  # type: ignore[no-untyped-def]
    saved = ctx.saved_tensors
    grads = _backward(grad, *saved)
    return grads if saved[4] is not None else (*grads[:4], None, None)


predicted_conv.register_autograd(_autograd, setup_context=_setup_context)


SCHEMA = OpSchema(
    NAME,
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("h", "T", "Features that the kernels are predicted from, [N, J, H, W]."),
        OpSchema.FormalParameter("weight", "T", "Weight of the predictor, [C*k*k, J, p, p]."),
        OpSchema.FormalParameter("bias", "T", "Bias of the predictor, [C*k*k]."),
        *AFFINE_PARAMETERS,
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, C, H, W].")],
    type_constraints=[FLOATING_POINT],
)


def function_body(k: int = 3, p: int = 3, with_affine: bool = True) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators, for files with these kernel sizes."""
    pad = p // 2
    inputs = ["x", "h", "weight", "bias"] + (["scale", "shift"] if with_affine else [])
    return parse_function(
        NAME,
        inputs,
        "y",
        [
            f"w = Conv <pads = [{pad}, {pad}, {pad}, {pad}]> (h, weight, bias)",
            *svc.body_nodes(k, with_affine),
        ],
    )
