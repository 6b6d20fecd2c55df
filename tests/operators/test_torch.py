"""The operators in torch: what tells a custom op from a function, and the definitions in other words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.operators import BODY_OPSET, DOMAIN, operators
from layoutrt.operators.torch import conv_to_image, quantized_predicted_conv, spatially_varying_conv
from layoutrt.operators.torch.layout_conv import table_from_weight, weight_from_table
from tests.operators.case import Case, floats
from tests.operators.cases import CASES
from tests.operators.cases.gated_predicted_conv import gated_case
from tests.operators.cases.layout_conv import layout_case
from tests.operators.cases.predicted_conv import predicted_case
from tests.operators.cases.spatially_varying_conv import varying_case
from tests.operators.implementations import MODULES, torch_arguments, torch_module

SMALL = [
    varying_case(2, 2, 3, 4, 3, False),
    varying_case(2, 2, 3, 4, 3, True),
    layout_case(2, 2, 4, 5, 5, 3, 1),
    layout_case(2, 2, 5, 4, 5, 3, 2),
    predicted_case(2, 2, 3, 4, 4, 1, norm=False),
    predicted_case(2, 2, 3, 4, 4, 3, norm=True),
    gated_case("small", 2, 2, 3, 2, 2, 2, 3, alpha=0.3),
    gated_case("small, a number added", 2, 2, 3, 2, 2, 2, 3, number=True, alpha=0.3),
]


def _operator(case: Case) -> Callable[..., Tensor]:
    return getattr(torch_module(case), MODULES[case.operator])


def _tracked(case: Case) -> tuple[object, ...]:
    return tuple(
        a.requires_grad_() if isinstance(a, Tensor) and a.is_floating_point() else a
        for a in torch_arguments(case, torch.float64).values()
    )


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    assert torch.autograd.gradcheck(_operator(case), _tracked(case))


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_custom_ops_pass_opcheck(case: Case) -> None:
    torch.library.opcheck(_operator(case), _tracked(case))


@pytest.mark.parametrize("name", ["one row", "narrower than a vector"])
def test_the_custom_op_of_images_passes_opcheck(name: str) -> None:
    arguments = torch_arguments(CASES[f"ConvToImage {name}"], torch.float32)
    torch.library.opcheck(conv_to_image.conv_to_image, tuple(arguments.values()))


@pytest.mark.parametrize("name", operators())
def test_a_body_is_of_standard_operators_and_those_that_its_record_calls(name: str) -> None:
    record = operators()[name]
    nodes = record.body().node
    assert {node.domain for node in nodes} <= {"", DOMAIN}
    assert {node.op_type for node in nodes if node.domain == DOMAIN} <= set(record.calls)


def test_the_body_of_an_image_is_of_standard_operators_without_y_too() -> None:
    assert {node.domain for node in operators()["ConvToImage"].body(with_y=False).node} == {""}


def test_one_kernel_everywhere_is_a_depthwise_convolution() -> None:
    x, weight = torch.from_numpy(floats(1, 2, 5, 6, 8)), torch.from_numpy(floats(2, 5, 1, 3, 3))
    kernels = weight.view(1, 45, 1, 1).expand(2, 45, 6, 8)
    expected = torch.nn.functional.conv2d(x, weight, padding=1, groups=5)
    torch.testing.assert_close(spatially_varying_conv.spatially_varying_conv(x, kernels), expected)


def test_padding_comes_after_the_affine() -> None:
    x, w = torch.zeros(1, 1, 1, 1), torch.ones(1, 9, 1, 1)
    y = spatially_varying_conv.spatially_varying_conv(x, w, torch.ones(1), torch.full((1,), 7.0))
    assert y.item() == 7.0


def test_table_and_weight_are_two_views_of_the_same_numbers() -> None:
    weight = torch.from_numpy(floats(1, 5, 7, 3, 3))
    assert torch.equal(weight_from_table(table_from_weight(weight)), weight)


def test_wrong_kernel_channels_are_refused_with_the_shapes() -> None:
    with pytest.raises(ValueError, match=r"w must be \[N, C\*k\*k, H, W\].*\[1, 8, 4, 4\]"):
        spatially_varying_conv.spatially_varying_conv(torch.zeros(1, 1, 4, 4), torch.zeros(1, 8, 4, 4))


def test_the_reference_rounds_as_quantize_linear_does() -> None:
    # Halves of a level, and quotients that only the division's own rounding takes to one.
    value = np.concatenate([(np.arange(-300, 300) * 0.5 * 0.1).astype(np.float32), floats(1, 20000) * 30])
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
    session = import_onnxruntime().InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    ours = quantized_predicted_conv.quantize(torch.from_numpy(value), 0.1, 100)
    assert np.array_equal(ours.numpy(), session.run(None, {"v": value})[0])
