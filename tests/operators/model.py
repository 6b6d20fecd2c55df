"""The ONNX model of a case: one node, with or without the function bodies of standard operators."""

from __future__ import annotations

import math
from typing import Any

import onnx
from onnx import helper, numpy_helper

from layoutrt.operators import BODY_OPSET, DOMAIN, VERSION, operators
from tests.operators.case import Arguments, Case


def output_name(case: Case) -> str:
    """Name of the result."""
    return str(operators()[case.operator].schema.outputs[0].name)


def model_inputs(case: Case) -> Arguments:
    """The arguments that are inputs of the model, an array given twice once."""
    names = {id(a): name for name, a in reversed(case.arguments.items())}
    return {
        name: a for name, a in case.arguments.items() if name not in case.constants and names[id(a)] == name
    }


def one_node_model(case: Case, *, bodies: bool = False, dynamic: bool = False) -> onnx.ModelProto:
    """``bodies``: with what runs it where our library is not. ``dynamic``: no size is known beforehand."""
    record = operators()[case.operator]
    names = {id(a): name for name, a in reversed(case.arguments.items())}
    types = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in case.arguments.items()}
    result = output_name(case)
    node = helper.make_node(
        case.operator,
        [names[id(a)] for a in case.arguments.values()],
        [result],
        domain=DOMAIN,
        **case.attributes,
    )
    graph = helper.make_graph(
        [node],
        "one_operator",
        [
            helper.make_tensor_value_info(
                name, types[name], [f"{name}_{i}" for i in range(a.ndim)] if dynamic else a.shape
            )
            for name, a in model_inputs(case).items()
        ],
        [helper.make_tensor_value_info(result, record.element_type(node, types), ["N", "1", "2", "3"])],
        [numpy_helper.from_array(case.arguments[name], name) for name in case.constants],
    )
    functions = []
    if bodies:
        called = [operators()[name] for name in record.calls]
        functions = [each.body(**_fixed(each.name, case)) for each in (record, *called)]
    opsets = [helper.make_opsetid("", BODY_OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    return helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=10)


def _fixed(operator: str, case: Case) -> dict[str, Any]:
    """Arguments that the body of an operator which the case's node reaches is made for."""
    a = case.arguments
    if operator == "ConvToImage":
        return {"with_y": "y" in a}
    if operator == "LayoutConv":
        return {"k": math.isqrt(a["table"].shape[1])}
    norm = {"with_affine": "scale" in a}
    if operator == "SpatiallyVaryingConv":
        return {"k": math.isqrt(a["w"].shape[1] // a["x"].shape[1])} | norm
    if operator == "PredictedConv":
        return {"k": math.isqrt(a["weight"].shape[0] // a["x"].shape[1]), "p": a["weight"].shape[2]} | norm
    return norm if operator == "QuantizedPredictedConv" else {}
