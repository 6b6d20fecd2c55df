"""Writing an operator's ONNX function body as text."""

from __future__ import annotations

import onnx
import onnx.parser

from layoutrt.operators import BODY_OPSET, DOMAIN


def parse_function(
    name: str, inputs: list[str], output: str, nodes: list[str], attributes: list[str] | None = None
) -> onnx.FunctionProto:
    """Build the ``FunctionProto`` of the operator ``name`` from nodes in the ONNX textual syntax.

    The syntax is that of ``onnx.parser``: ``y = Add(a, b)``, ``i = Constant <value_ints = [1, 2]> ()``.
    """
    signature = f"{name} <{', '.join(attributes)}>" if attributes else name
    text = "\n".join(
        [
            f'<domain: "{DOMAIN}", opset_import: ["" : {BODY_OPSET}]>',
            f"{signature} ({', '.join(inputs)}) => ({output})",
            "{",
            *(f"  {node}" for node in nodes),
            "}",
        ]
    )
    return onnx.parser.parse_function(text)
