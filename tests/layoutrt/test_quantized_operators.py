"""The quantized operators' references, bodies and kernels give the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from layoutrt.operators import BODY_OPSET, DOMAIN
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.quantized_gated_predicted_conv import QUANTIZED_GATED_PREDICTED_CONV
from layoutrt.operators.quantized_predicted_conv import QUANTIZED_PREDICTED_CONV
from layoutrt.operators.torch import quantized_gated_predicted_conv, quantized_predicted_conv
from layoutrt.runtime.backends.native_bindings import operator_library

SHAPES = [(1, 1, 1, 1), (1, 3, 7, 1), (2, 5, 6, 8), (3, 17, 5, 11), (1, 2, 3, 70)]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def bytes_drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(-128, 128, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.int8)


def predicted_case(
    shape: tuple[int, ...], p: int, with_affine: bool
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    n, c, height, width = shape
    inputs = {
        "x": draw(*shape),
        "h": draw(n, 6, height, width, seed=2),
        "weight": bytes_drawn(c * 9, 6, p, p, seed=3),
        "bias": draw(c * 9, seed=4),
    }
    if with_affine:
        inputs |= {"scale": draw(c, seed=5), "shift": draw(c, seed=6)}
    weight_scale = (torch.arange(c) % 5 + 1) * 0.003
    return inputs, {"h_scale": 0.017, "h_zero_point": 120, "weight_scale": weight_scale.tolist()}


def gated_case(
    shape: tuple[int, ...], out: int, gate: int | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """``gate`` None: the gate is predicted from ``h`` itself."""
    predicted, attributes = predicted_case(shape, 1, True)
    n, c, height, width = shape
    gate_h = predicted["h"] if gate is None else draw(n, gate, height, width, seed=7)
    inputs = predicted | {
        "mix": bytes_drawn(out, c, 1, 1, seed=8),
        "mix_bias": draw(out, seed=9),
        "gate_h": gate_h,
        "gate_weight": bytes_drawn(out, gate_h.shape[1], 1, 1, seed=10),
        "gate_bias": draw(out, seed=11),
        "residual": draw(n, out, height, width, seed=12) if gate is None else torch.full((1, 1, 1, 1), 0.5),
    }
    attributes |= {
        "mix_in_scale": 0.09,
        "mix_in_zero_point": 131,
        "mix_scale": ((torch.arange(out) % 3 + 1) * 0.002).tolist(),
        "gate_h_scale": 0.02,
        "gate_h_zero_point": 90,
        "gate_weight_scale": ((torch.arange(out) % 4 + 1) * 0.004).tolist(),
        "alpha": 0.1,
    }
    return inputs, attributes


def run(
    name: str,
    inputs: dict[str, Tensor],
    attributes: dict[str, Any],
    functions: list[onnx.FunctionProto],
    *,
    with_library: bool,
) -> np.ndarray:
    arrays = {key: value.numpy() for key, value in inputs.items()}
    node = helper.make_node(name, list(arrays), ["y"], domain=DOMAIN, **attributes)
    graph = helper.make_graph(
        [node],
        "one_operator",
        [
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for key, a in arrays.items()
            if a.dtype != np.int8
        ],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", "C", "H", "W"])],
        [numpy_helper.from_array(a, key) for key, a in arrays.items() if a.dtype == np.int8],
    )
    model = helper.make_model(
        graph,
        functions=functions,
        opset_imports=[helper.make_opsetid("", BODY_OPSET), helper.make_opsetid(DOMAIN, 1)],
        ir_version=10,
    )
    if functions:
        onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if with_library:
        options.register_custom_ops_library(str(operator_library()))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {key: a for key, a in arrays.items() if a.dtype != np.int8})[0]


@pytest.mark.parametrize("with_affine", [False, True])
@pytest.mark.parametrize("p", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_body_and_kernel_equal_the_reference(shape: tuple[int, ...], p: int, with_affine: bool) -> None:
    inputs, attributes = predicted_case(shape, p, with_affine)
    exact = {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}
    expected = quantized_predicted_conv.reference(**exact, **attributes).numpy()
    bodies = [
        QUANTIZED_PREDICTED_CONV.body(with_affine),
        PREDICTED_CONV.body(3, p, with_affine),
    ]
    kernel = run(QUANTIZED_PREDICTED_CONV.name, inputs, attributes, [], with_library=True)
    body = run(QUANTIZED_PREDICTED_CONV.name, inputs, attributes, bodies, with_library=False)
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(kernel, expected, rtol=0, atol=tolerance)
    np.testing.assert_allclose(body, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("gate", [None, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_gated_body_and_kernel_equal_the_reference(shape: tuple[int, ...], gate: int | None) -> None:
    inputs, attributes = gated_case(shape, 7, gate)
    exact = {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()}
    expected = quantized_gated_predicted_conv.reference(**exact, **attributes).numpy()
    bodies = [
        QUANTIZED_GATED_PREDICTED_CONV.body(),
        QUANTIZED_PREDICTED_CONV.body(),
        PREDICTED_CONV.body(3, 1),
    ]
    kernel = run(QUANTIZED_GATED_PREDICTED_CONV.name, inputs, attributes, [], with_library=True)
    body = run(QUANTIZED_GATED_PREDICTED_CONV.name, inputs, attributes, bodies, with_library=False)
    # Between two levels of the convolution's result a rounding error of float32 decides; one level of one
    # channel is worth at most 127 of mix's steps.
    one_level = 1.01 * 127 * attributes["mix_in_scale"] * max(attributes["mix_scale"])
    for result in (kernel, body):
        error = np.abs(result - expected)
        assert error.max() <= one_level
        assert np.mean(error > 2e-5 * np.abs(expected).max()) < 0.01


def test_reference_rounds_as_quantize_linear_does() -> None:
    # Halves of a level, and quotients that only the division's own rounding takes to one.
    value = torch.cat([torch.arange(-300, 300) * 0.5 * 0.1, draw(20000, seed=1) * 30])
    node = helper.make_node("QuantizeLinear", ["v", "s", "z"], ["q"])
    back = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])
    graph = helper.make_graph(
        [node, back],
        "rounding",
        [helper.make_tensor_value_info("v", onnx.TensorProto.FLOAT, value.shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, value.shape)],
        [
            numpy_helper.from_array(np.array(0.1, np.float32), "s"),
            numpy_helper.from_array(np.array(100, np.uint8), "z"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", BODY_OPSET)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"v": value.numpy()})[0]
    assert np.array_equal(quantized_predicted_conv.quantize(value, 0.1, 100).numpy(), theirs)
