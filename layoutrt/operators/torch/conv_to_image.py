"""``ConvToImage``: the last convolution of a generator, straight to RGB bytes.

With ``f`` the channels of ``x``, followed by those of ``y`` where it is given::

    image = round_half_even(tanh(Conv(f, weight, bias)) * 127.5 + 127.5)

for a 3x3 kernel with zero padding of 1, in bytes, pixel after pixel. The float image is never stored.

The operator is for inference: its custom op has no gradient.
"""

from __future__ import annotations

import onnx
import torch
import torch.nn.functional as F
from onnx.defs import OpSchema
from torch import Tensor

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import FLOATING_POINT, parse_function

NAME = "ConvToImage"


def to_bytes(image: Tensor) -> Tensor:
    """float ``[N, 3, H, W]`` in [-1, 1] -> uint8 ``[N, H, W, 3]``, rounded half to even."""
    return (image * 127.5 + 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)


def float_image(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    """What `reference` converts to bytes: float ``[N, 3, H, W]`` in [-1, 1], of the same arguments."""
    features = x if y is None else torch.cat([x, y], 1)
    return torch.tanh(F.conv2d(features, weight, bias, padding=1))


def reference(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    """One operation after the other; the oracle of tests. All arguments have one floating-point type.

    Args:
        x: ``[N, C, H, W]``.
        weight: ``[3, C + D, 3, 3]``; D = 0 without ``y``.
        bias: ``[3]``.
        y: ``[N, D, H, W]``, further channels.

    Returns:
        uint8 ``[N, H, W, 3]``, RGB.
    """
    return to_bytes(float_image(x, weight, bias, y))


@torch.library.custom_op("layoutrt::conv_to_image", mutates_args=())
def conv_to_image(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    """The operator in torch, made for export; arguments and result are those of `reference`."""
    return reference(x, weight, bias, y).contiguous()


@conv_to_image.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor, y: Tensor | None = None) -> Tensor:
    return x.new_empty((x.shape[0], *x.shape[2:], weight.shape[0]), dtype=torch.uint8)


SCHEMA = OpSchema(
    NAME,
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("weight", "T", "Weight of the convolution, [3, C + D, 3, 3]."),
        OpSchema.FormalParameter("bias", "T", "Bias of the convolution, [3]."),
        OpSchema.FormalParameter(
            "y",
            "T",
            "Further channels, [N, D, H, W].",
            param_option=OpSchema.FormalParameterOption.Optional,
        ),
    ],
    outputs=[OpSchema.FormalParameter("image", "tensor(uint8)", "RGB, [N, H, W, 3].")],
    type_constraints=[FLOATING_POINT],
)


def function_body(with_y: bool) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators.

    Args:
        with_y: whether the nodes of the file give ``y``.
    """
    features = "features = Concat <axis = 1> (x, y)" if with_y else "features = Identity(x)"
    return parse_function(
        NAME,
        ["x", "weight", "bias", *(["y"] if with_y else [])],
        "image",
        [
            features,
            "sum = Conv <pads = [1, 1, 1, 1]> (features, weight, bias)",
            "tanh = Tanh(sum)",
            "half_float = Constant <value_float = 127.5> ()",
            "half = CastLike(half_float, tanh)",
            "scaled = Mul(tanh, half)",
            "shifted = Add(scaled, half)",
            "rounded = Round(shifted)",
            "levels = Cast <to = 2> (rounded)",
            "image = Transpose <perm = [0, 2, 3, 1]> (levels)",
        ],
    )
