"""The torch side of the operators: custom ops against their references, gradients, schemas, bodies."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from layoutrt.operators import BODY_OPSET, DOMAIN, layout_conv, predicted_conv, spatially_varying_conv
from layoutrt.operators.layout_conv import table_from_weight, weight_from_table

SHAPES = [(1, 1, 1, 1), (1, 1, 1, 9), (1, 3, 7, 1), (2, 5, 6, 8), (3, 17, 5, 11)]
ATOL = {torch.float32: 1e-4, torch.float64: 1e-12}


def draw(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def draw_labels(n: int, height: int, width: int, top: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, top, (n, height, width), generator=generator, dtype=torch.uint8)


def affine(channels: int, present: bool, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    return (draw(channels, dtype=dtype, seed=5), draw(channels, dtype=dtype, seed=6)) if present else ()


def varying_arguments(
    shape: tuple[int, ...], k: int, with_affine: bool, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    n, c, h, w = shape
    kernels = draw(n, c * k * k, h, w, dtype=dtype, seed=2)
    return (draw(*shape, dtype=dtype), kernels, *affine(c, with_affine, dtype))


def predicted_arguments(
    shape: tuple[int, ...], p: int, with_affine: bool, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    n, c, h, w = shape
    return (
        draw(*shape, dtype=dtype),
        draw(n, 4, h, w, dtype=dtype, seed=2),
        draw(c * 9, 4, p, p, dtype=dtype, seed=3),
        draw(c * 9, dtype=dtype, seed=4),
        *affine(c, with_affine, dtype),
    )


@pytest.mark.parametrize("dtype", ATOL)
@pytest.mark.parametrize("with_affine", [False, True])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_spatially_varying_conv_equals_its_reference(shape, k, with_affine, dtype) -> None:
    arguments = varying_arguments(shape, k, with_affine, dtype)
    torch.testing.assert_close(
        spatially_varying_conv.spatially_varying_conv(*arguments),
        spatially_varying_conv.reference(*arguments),
        atol=ATOL[dtype],
        rtol=0,
    )


def test_spatially_varying_conv_with_one_kernel_everywhere_is_a_depthwise_convolution() -> None:
    x, weight = draw(2, 5, 6, 8), draw(5, 1, 3, 3, seed=3)
    kernels = weight.view(1, 45, 1, 1).expand(2, 45, 6, 8)
    expected = torch.nn.functional.conv2d(x, weight, padding=1, groups=5)
    torch.testing.assert_close(spatially_varying_conv.spatially_varying_conv(x, kernels), expected)


def test_spatially_varying_conv_pads_after_the_affine() -> None:
    x, w = torch.zeros(1, 1, 1, 1), torch.ones(1, 9, 1, 1)
    y = spatially_varying_conv.spatially_varying_conv(x, w, torch.ones(1), torch.full((1,), 7.0))
    assert y.item() == 7.0


@pytest.mark.parametrize("dtype", ATOL)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_layout_conv_equals_the_convolution_of_a_one_hot_layout(shape, k, stride, dtype) -> None:
    n, c, h, w = shape
    labels = draw_labels(n, h, w, 9)  # The table has 7 rows: some labels contribute nothing.
    table, bias = draw(7, k * k, c, dtype=dtype), draw(c, dtype=dtype, seed=3)
    torch.testing.assert_close(
        layout_conv.layout_conv(labels, table, bias, stride),
        layout_conv.reference(labels, table, bias, stride),
        atol=ATOL[dtype],
        rtol=0,
    )


def test_table_and_weight_are_two_views_of_the_same_numbers() -> None:
    weight = draw(5, 7, 3, 3)
    assert torch.equal(weight_from_table(table_from_weight(weight)), weight)


@pytest.mark.parametrize("dtype", ATOL)
@pytest.mark.parametrize("with_affine", [False, True])
@pytest.mark.parametrize("p", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_predicted_conv_equals_its_reference(shape, p, with_affine, dtype) -> None:
    arguments = predicted_arguments(shape, p, with_affine, dtype)
    torch.testing.assert_close(
        predicted_conv.predicted_conv(*arguments),
        predicted_conv.reference(*arguments),
        atol=ATOL[dtype],
        rtol=0,
    )


GRADIENT_CASES = {
    "varying": (
        spatially_varying_conv.spatially_varying_conv,
        varying_arguments((2, 2, 3, 4), 3, False, torch.float64),
    ),
    "varying-affine": (
        spatially_varying_conv.spatially_varying_conv,
        varying_arguments((2, 2, 3, 4), 3, True, torch.float64),
    ),
    "layout": (layout_conv.layout_conv, (draw_labels(2, 4, 5, 6), draw(5, 9, 2), draw(2), 1)),
    "layout-stride": (layout_conv.layout_conv, (draw_labels(2, 5, 4, 6), draw(5, 9, 2), draw(2), 2)),
    "predicted-1": (
        predicted_conv.predicted_conv,
        predicted_arguments((2, 2, 3, 4), 1, False, torch.float64),
    ),
    "predicted-3-affine": (
        predicted_conv.predicted_conv,
        predicted_arguments((2, 2, 3, 4), 3, True, torch.float64),
    ),
}


@pytest.mark.parametrize("name", GRADIENT_CASES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    operator, arguments = GRADIENT_CASES[name]
    inputs = tuple(
        a.detach().clone().requires_grad_() if isinstance(a, Tensor) and a.is_floating_point() else a
        for a in arguments
    )
    assert torch.autograd.gradcheck(operator, inputs)


@pytest.mark.parametrize("name", GRADIENT_CASES)
def test_custom_ops_pass_opcheck(name: str) -> None:
    operator, arguments = GRADIENT_CASES[name]
    inputs = tuple(
        a.detach().clone().requires_grad_() if isinstance(a, Tensor) and a.is_floating_point() else a
        for a in arguments
    )
    torch.library.opcheck(operator, inputs)


def test_wrong_kernel_channels_are_refused_with_the_shapes() -> None:
    with pytest.raises(ValueError, match=r"w must be \[N, C\*k\*k, H, W\].*\[1, 8, 4, 4\]"):
        spatially_varying_conv.spatially_varying_conv(torch.zeros(1, 1, 4, 4), torch.zeros(1, 8, 4, 4))


def run_body(function: onnx.FunctionProto, schema, inputs: dict[str, np.ndarray], **attributes) -> np.ndarray:
    """Run a body in ONNX Runtime without our library."""
    node = onnx.helper.make_node(schema.name, list(inputs), ["y"], domain=DOMAIN, **attributes)
    infos = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in inputs.items()
    ]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", "C", "Ho", "Wo"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "body", infos, [output]),
        functions=[function],
        opset_imports=[onnx.helper.make_opsetid("", BODY_OPSET), onnx.helper.make_opsetid(DOMAIN, 1)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.mark.parametrize("with_affine", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_body_of_spatially_varying_conv_needs_no_library(shape, with_affine) -> None:
    arguments = varying_arguments(shape, 3, with_affine, torch.float32)
    inputs = {n: a.numpy() for n, a in zip(("x", "w", "scale", "shift"), arguments, strict=False)}
    body = spatially_varying_conv.function_body(3, with_affine)
    expected = spatially_varying_conv.reference(*arguments).numpy()
    np.testing.assert_allclose(
        run_body(body, spatially_varying_conv.SCHEMA, inputs), expected, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_body_of_layout_conv_needs_no_library(shape, stride) -> None:
    n, c, h, w = shape
    labels, table, bias = (
        draw_labels(n, h, w, 9),
        draw(7, 9, c, dtype=torch.float32),
        draw(c, dtype=torch.float32),
    )
    y = run_body(
        layout_conv.function_body(3),
        layout_conv.SCHEMA,
        {"labels": labels.numpy(), "table": table.numpy(), "bias": bias.numpy()},
        strides=[stride, stride],
    )
    expected = layout_conv.reference(labels, table, bias, stride).numpy()
    np.testing.assert_allclose(y, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("with_affine", [False, True])
@pytest.mark.parametrize("p", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_body_of_predicted_conv_needs_no_library(shape, p, with_affine) -> None:
    arguments = predicted_arguments(shape, p, with_affine, torch.float32)
    names = ("x", "h", "weight", "bias", "scale", "shift")
    inputs = {n: a.numpy() for n, a in zip(names, arguments, strict=False)}
    body = predicted_conv.function_body(3, p, with_affine)
    expected = predicted_conv.reference(*arguments).numpy()
    np.testing.assert_allclose(run_body(body, predicted_conv.SCHEMA, inputs), expected, atol=1e-4, rtol=0)
