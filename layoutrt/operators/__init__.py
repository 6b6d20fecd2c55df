"""The operators of the ONNX domain ``layoutrt``, version 1; one module each.

Every module holds an operator's plain torch reference (the oracle of all tests), its ``torch.library`` custom
op with autograd and a fake, its ONNX schema and its body of standard ONNX operators. `ConvToImage` is for
inference and its custom op has no gradient; a quantised operator has no custom op. The modules need torch;
this package itself does not, so that a device that only runs engines never installs it.
"""

DOMAIN = "layoutrt"
"""ONNX domain of the operators."""

VERSION = 1
"""Version of the operator set in that domain."""

BODY_OPSET = 20
"""Version of the standard operators that the function bodies use."""

MODULES = (
    "conv_to_image",
    "gated_predicted_conv",
    "layout_conv",
    "predicted_conv",
    "quantized_gated_predicted_conv",
    "quantized_predicted_conv",
    "spatially_varying_conv",
)
"""Modules of this package that define an operator."""
