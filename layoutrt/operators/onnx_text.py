"""Writing an operator's ONNX function body as text."""

from __future__ import annotations

import onnx
import onnx.parser
from onnx.defs import OpSchema

from layoutrt.operators import BODY_OPSET, DOMAIN, VERSION

FLOATING_POINT = ("T", ["tensor(float)", "tensor(float16)"], "Floating point.")
"""Type constraint of the operators' real-valued tensors."""

AFFINE_PARAMETERS = [
    OpSchema.FormalParameter(
        name, "T", f"[C]; with {other}.", param_option=OpSchema.FormalParameterOption.Optional
    )
    for name, other in (("scale", "shift"), ("shift", "scale"))
]
"""The optional inputs of the norm that is folded into a conditional convolution."""


def parse_function(
    name: str, inputs: list[str], output: str, nodes: list[str], attributes: list[str] | None = None
) -> onnx.FunctionProto:
    """Build the ``FunctionProto`` of the operator ``name`` from nodes in the ONNX textual syntax.

    The syntax is that of ``onnx.parser``: ``y = Add(a, b)``, ``i = Constant <value_ints = [1, 2]> ()``. A
    node may call another operator of the domain, ``y = layoutrt.PredictedConv(x, h, w, b)``.
    """
    opsets = f'"" : {BODY_OPSET}'
    if any(f"{DOMAIN}." in node for node in nodes):
        opsets += f', "{DOMAIN}" : {VERSION}'
    signature = f"{name} <{', '.join(attributes)}>" if attributes else name
    text = "\n".join(
        [
            f'<domain: "{DOMAIN}", opset_import: [{opsets}]>',
            f"{signature} ({', '.join(inputs)}) => ({output})",
            "{",
            *(f"  {node}" for node in nodes),
            "}",
        ]
    )
    return onnx.parser.parse_function(text)
