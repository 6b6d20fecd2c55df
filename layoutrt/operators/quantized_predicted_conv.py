"""``QuantizedPredictedConv``: `PredictedConv` whose features and predictor are 8-bit integers.

``h`` is quantized inside the operator, ``q = clamp(round_half_even(h / h_scale) + h_zero_point, 0, 255)``,
and the result is that of ``PredictedConv(x, (q - h_zero_point) * h_scale, weight * weight_scale, bias, scale,
shift)``; the nine taps of a channel share one weight scale. Products are added up in int32 without error, so
``J * p * p`` may be at most 32768. ``x``, the predicted kernels and the result stay in floating point.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import TensorProto
from onnx.defs import OpSchema

from layoutrt.operators import DOMAIN, VERSION
from layoutrt.operators.onnx_text import AFFINE_PARAMETERS, parse_function
from layoutrt.operators.operator import FLOATS, Operator, Plugin
from layoutrt.operators.predicted_conv import PREDICTED_CONV, predictor_flops

_SCHEMA = OpSchema(
    "QuantizedPredictedConv",
    DOMAIN,
    VERSION,
    doc=__doc__,
    inputs=[
        OpSchema.FormalParameter("x", "T", "Input, [N, C, H, W]."),
        OpSchema.FormalParameter("h", "T", "Features that the kernels are predicted from, [N, J, H, W]."),
        OpSchema.FormalParameter("weight", "tensor(int8)", "Weight of the predictor, [C*9, J, p, p]."),
        OpSchema.FormalParameter("bias", "T", "Bias of the predictor, [C*9]."),
        *AFFINE_PARAMETERS,
    ],
    outputs=[OpSchema.FormalParameter("y", "T", "Output, [N, C, H, W].")],
    type_constraints=[("T", ["tensor(float)"], "Floating point.")],
    attributes=[
        OpSchema.Attribute("h_scale", OpSchema.AttrType.FLOAT, "Distance of two levels of h.", required=True),
        OpSchema.Attribute(
            "h_zero_point", OpSchema.AttrType.INT, "Level of h that is 0.0, 0 to 255.", required=True
        ),
        OpSchema.Attribute(
            "weight_scale",
            OpSchema.AttrType.FLOATS,
            "[C]: distance of two levels of a channel's weights.",
            required=True,
        ),
    ],
)


def _body(with_affine: bool = True) -> onnx.FunctionProto:
    """The operator as an ONNX function of standard operators and `PredictedConv`.

    A file that is to run without our library carries the body of `PredictedConv` too.
    """
    affine = ["scale", "shift"] if with_affine else []
    return parse_function(
        _SCHEMA.name,
        ["x", "h", "weight", "bias", *affine],
        "y",
        [
            "h_step = Constant <value_float: float = @h_scale> ()",
            "h_zero_int = Constant <value_int: int = @h_zero_point> ()",
            "h_zero = Cast <to = 2> (h_zero_int)",
            "levels = QuantizeLinear(h, h_step, h_zero)",
            "h_quantized = DequantizeLinear(levels, h_step, h_zero)",
            "weight_step = Constant <value_floats: floats = @weight_scale> ()",
            "last = Constant <value_ints = [-1]> ()",
            "columns = Unsqueeze(weight_step, last)",
            "taps = Constant <value_ints = [1, 9]> ()",
            "for_taps = Expand(columns, taps)",
            "rows = Constant <value_ints = [-1, 1, 1, 1]> ()",
            "for_rows = Reshape(for_taps, rows)",
            "weight_levels = Cast <to = 1> (weight)",
            "weight_float = Mul(weight_levels, for_rows)",
            f"y = {DOMAIN}.PredictedConv({', '.join(['x', 'h_quantized', 'weight_float', 'bias', *affine])})",
        ],
        attributes=["h_scale", "h_zero_point", "weight_scale"],
    )


def _element_type(node: onnx.NodeProto, types: Mapping[str, int]) -> int:
    """A plugin that quantizes its result, with ``y_scale``, writes int8."""
    levels = any(attribute.name == "y_scale" for attribute in node.attribute)
    return int(TensorProto.INT8) if levels else types[node.input[0]]


_INT8 = frozenset({int(TensorProto.INT8)})

QUANTIZED_PREDICTED_CONV = Operator(
    schema=_SCHEMA,
    body=_body,
    flops=predictor_flops,
    element_type=_element_type,
    weights=(2,),
    calls=(PREDICTED_CONV.name,),
    plugin=Plugin((FLOATS, FLOATS | _INT8, _INT8), ohwi_weight=True),
    custom_op=False,
)
