"""Every implementation of an operator gives what its reference gives; gradients and custom ops are sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from layoutrt.operators import BODY_OPSET, DOMAIN
from layoutrt.operators.layout_conv import LAYOUT_CONV
from layoutrt.operators.operator import Operator
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.spatially_varying_conv import SPATIALLY_VARYING_CONV
from layoutrt.operators.torch import layout_conv, predicted_conv, spatially_varying_conv
from layoutrt.operators.torch.layout_conv import table_from_weight, weight_from_table
from layoutrt.runtime.backends.native_bindings import operator_library
from layoutrt.runtime.session import Session

# One pixel, one row, one column, C = 1, C no multiple of a vector, odd sizes, batch 3, wider than a tile.
SHAPES = [(1, 1, 1, 1), (1, 1, 1, 9), (1, 3, 7, 1), (2, 5, 6, 8), (3, 17, 5, 11), (1, 2, 3, 70)]
ATOL = {torch.float32: 1e-4, torch.float64: 1e-12}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def draw_labels(n: int, height: int, width: int, top: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, top, (n, height, width), generator=generator, dtype=torch.uint8)


def affine(channels: int, present: bool) -> tuple[Tensor, ...]:
    return (draw(channels, seed=5), draw(channels, seed=6)) if present else ()


def varying_arguments(shape: tuple[int, ...], k: int, with_affine: bool) -> tuple[Tensor, ...]:
    n, c, h, w = shape
    return (draw(*shape), draw(n, c * k * k, h, w, seed=2), *affine(c, with_affine))


def layout_arguments(shape: tuple[int, ...], k: int) -> tuple[Tensor, ...]:
    n, c, h, w = shape
    # The table has 7 rows: labels 7 and 8 contribute nothing.
    return (draw_labels(n, h, w, 9), draw(7, k * k, c), draw(c, seed=3))


def predicted_arguments(shape: tuple[int, ...], p: int, with_affine: bool) -> tuple[Tensor, ...]:
    n, c, h, w = shape
    predictor = (draw(c * 9, 4, p, p, seed=3), draw(c * 9, seed=4))
    return (draw(*shape), draw(n, 4, h, w, seed=2), *predictor, *affine(c, with_affine))


@dataclass(frozen=True)
class Case:
    """An operator, its float64 and uint8 arguments, and how its body is made for them."""

    operator: Operator
    module: ModuleType
    arguments: tuple[Tensor, ...]
    body: Callable[[], onnx.FunctionProto]
    stride: int | None = None

    def typed(self, dtype: torch.dtype) -> list[Tensor]:
        return [a.to(dtype) if a.is_floating_point() else a for a in self.arguments]

    def strides(self) -> list[int]:
        return [] if self.stride is None else [self.stride]


def all_cases() -> dict[str, Case]:
    cases = {}
    for shape in SHAPES:
        at = "x".join(map(str, shape))
        for norm in (False, True):
            for k in (1, 3, 5):
                cases[f"varying {at} k{k} affine={norm}"] = Case(
                    SPATIALLY_VARYING_CONV,
                    spatially_varying_conv,
                    varying_arguments(shape, k, norm),
                    lambda k=k, norm=norm: SPATIALLY_VARYING_CONV.body(k, norm),
                )
            for p in (1, 3):
                cases[f"predicted {at} p{p} affine={norm}"] = Case(
                    PREDICTED_CONV,
                    predicted_conv,
                    predicted_arguments(shape, p, norm),
                    lambda p=p, norm=norm: PREDICTED_CONV.body(3, p, norm),
                )
        for k in (1, 3, 5):
            for stride in (1, 2):
                cases[f"layout {at} k{k} stride{stride}"] = Case(
                    LAYOUT_CONV,
                    layout_conv,
                    layout_arguments(shape, k),
                    lambda k=k: LAYOUT_CONV.body(k),
                    stride,
                )
    return cases


CASES = all_cases()


def onnx_model(case: Case, inputs: dict[str, np.ndarray], *, with_body: bool) -> onnx.ModelProto:
    attributes = {} if case.stride is None else {"strides": [case.stride, case.stride]}
    node = onnx.helper.make_node(case.operator.name, list(inputs), ["y"], domain=DOMAIN, **attributes)
    infos = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in inputs.items()
    ]
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", "C", "Ho", "Wo"])
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "one_operator", infos, [output]),
        functions=[case.body()] if with_body else [],
        opset_imports=[onnx.helper.make_opsetid("", BODY_OPSET), onnx.helper.make_opsetid(DOMAIN, 1)],
        ir_version=10,
    )
    if with_body:
        onnx.checker.check_model(model)
    return model


def named_inputs(case: Case) -> dict[str, np.ndarray]:
    names = [parameter.name for parameter in case.operator.schema.inputs]
    return {n: a.numpy() for n, a in zip(names, case.typed(torch.float32), strict=False)}


def run_torch(case: Case, dtype: torch.dtype, folder: Path) -> np.ndarray:
    operator = getattr(case.module, case.module.__name__.rpartition(".")[2])
    return operator(*case.typed(dtype), *case.strides()).numpy()


def run_body(case: Case, dtype: torch.dtype, folder: Path) -> np.ndarray:
    """The body of standard operators in ONNX Runtime, without our library."""
    inputs = named_inputs(case)
    model = onnx_model(case, inputs, with_body=True).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def run_custom_op(case: Case, dtype: torch.dtype, folder: Path) -> np.ndarray:
    """The native kernel as a custom op of Python's ONNX Runtime."""
    inputs = named_inputs(case)
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(operator_library()))
    model = onnx_model(case, inputs, with_body=False).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, inputs)[
        0
    ]


def run_session(case: Case, dtype: torch.dtype, folder: Path) -> np.ndarray:
    """The native kernel through our C API."""
    inputs = named_inputs(case)
    onnx.save(onnx_model(case, inputs, with_body=False), folder / "model.onnx")
    with Session(folder / "model.onnx") as session:
        return session.run(**inputs)["y"]


IMPLEMENTATIONS = {
    "torch float64": (run_torch, torch.float64),
    "torch float32": (run_torch, torch.float32),
    "onnx body": (run_body, torch.float32),
    "custom op": (run_custom_op, torch.float32),
    "native session": (run_session, torch.float32),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_implementation_equals_the_reference(implementation: str, name: str, tmp_path: Path) -> None:
    run, dtype = IMPLEMENTATIONS[implementation]
    case = CASES[name]
    expected = case.module.reference(*case.arguments, *case.strides()).numpy()
    result = run(case, dtype, tmp_path)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, atol=ATOL[dtype], rtol=0)


def test_one_kernel_everywhere_is_a_depthwise_convolution() -> None:
    x, weight = draw(2, 5, 6, 8), draw(5, 1, 3, 3, seed=3)
    kernels = weight.view(1, 45, 1, 1).expand(2, 45, 6, 8)
    expected = torch.nn.functional.conv2d(x, weight, padding=1, groups=5)
    torch.testing.assert_close(spatially_varying_conv.spatially_varying_conv(x, kernels), expected)


def test_padding_comes_after_the_affine() -> None:
    x, w = torch.zeros(1, 1, 1, 1), torch.ones(1, 9, 1, 1)
    y = spatially_varying_conv.spatially_varying_conv(x, w, torch.ones(1), torch.full((1,), 7.0))
    assert y.item() == 7.0


def test_table_and_weight_are_two_views_of_the_same_numbers() -> None:
    weight = draw(5, 7, 3, 3)
    assert torch.equal(weight_from_table(table_from_weight(weight)), weight)


GRADIENT_CASES = {
    "varying": (
        spatially_varying_conv.spatially_varying_conv,
        varying_arguments((2, 2, 3, 4), 3, False),
    ),
    "varying-affine": (
        spatially_varying_conv.spatially_varying_conv,
        varying_arguments((2, 2, 3, 4), 3, True),
    ),
    "layout": (layout_conv.layout_conv, (draw_labels(2, 4, 5, 6), draw(5, 9, 2), draw(2), 1)),
    "layout-stride": (layout_conv.layout_conv, (draw_labels(2, 5, 4, 6), draw(5, 9, 2), draw(2), 2)),
    "predicted-1": (
        predicted_conv.predicted_conv,
        predicted_arguments((2, 2, 3, 4), 1, False),
    ),
    "predicted-3-affine": (
        predicted_conv.predicted_conv,
        predicted_arguments((2, 2, 3, 4), 3, True),
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
