"""Implementations of an operator: each takes a case and gives its result."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import onnx
import pytest

from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.operators import operators
from tests.operators.case import Case
from tests.operators.cases import BY_OPERATOR
from tests.operators.compare import assert_is_defined
from tests.operators.model import model_inputs, one_node_model
from tests.operators.native_process import has_kernel, results_of
from tests.support import processor_isas

if TYPE_CHECKING:
    import torch


MODULES = {module.CASES[0].operator: name for name, module in BY_OPERATOR.items()}


@dataclass(frozen=True)
class Implementation:
    """``check`` compares its result for a case; ``serves`` says whether it computes the case at all."""

    check: Callable[[Case], None]
    serves: Callable[[Case], bool]


def torch_module(case: Case) -> ModuleType:
    """The module of the case's operator in `layoutrt.operators.torch`."""
    return importlib.import_module(f"layoutrt.operators.torch.{MODULES[case.operator]}")


def torch_functions(case: Case) -> tuple[Callable[..., torch.Tensor], Callable[..., torch.Tensor]]:
    """The operator's reference and its custom op."""
    module = torch_module(case)
    return module.reference, getattr(module, MODULES[case.operator])


def torch_arguments(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    """Arguments and attributes as torch's functions take them, floating-point tensors in a type."""
    import torch

    tensors = {name: torch.from_numpy(a) for name, a in case.arguments.items()}
    typed = {name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()}
    attributes = dict(case.attributes)
    if "strides" in attributes:
        attributes["stride"] = attributes.pop("strides")[0]
    return typed | attributes


def _in_torch(kind: str, dtype: str) -> Callable[[Case], None]:
    def check(case: Case) -> None:
        import torch

        module = torch_module(case)
        given = torch_arguments(case, getattr(torch, dtype))
        compute = getattr(module, "reference" if kind == "reference" else MODULES[case.operator])
        y = compute(**given)
        assert y.dtype == (torch.uint8 if case.operator == "ConvToImage" else getattr(torch, dtype))
        # The definition takes the numbers that are left in the type.
        rounded = {
            n: t.double().numpy() for n, t in given.items() if n in case.arguments and t.is_floating_point()
        }
        halved = dtype in ("float16", "bfloat16")
        expected = case.definition(**{**case.arguments, **rounded}, **case.attributes) if halved else None
        assert_is_defined(case, y.numpy() if y.dtype == torch.uint8 else y.double().numpy(), dtype, expected)

    return check


def _without_the_library(case: Case) -> None:
    from layoutrt.operators.torch.backends import native

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "library", lambda: None)
        _in_torch("operator", "float32")(case)


def _body(case: Case) -> None:
    """The bodies in ONNX Runtime, without our library."""
    model = one_node_model(case, bodies=True)
    onnx.checker.check_model(model, full_check=True)
    onnxruntime = import_onnxruntime()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert_is_defined(case, session.run(None, model_inputs(case))[0], "float32")


def _native(isa: str) -> Callable[[Case], None]:
    """The custom operator of one instruction set, through the C API and in Python's ONNX Runtime."""

    def check(case: Case) -> None:
        results = results_of(isa)
        assert results.simd == processor_isas.NAMES[isa]
        assert_is_defined(case, results.by_case[str(case)], "float32")
        assert not results.different.get(str(case)), "these ways do not give the same bytes"

    return check


def _always(case: Case) -> bool:
    return True


def is_trained(case: Case) -> bool:
    """True where torch computes it in any floating-point type."""
    return case.operator in ("SpatiallyVaryingConv", "LayoutConv", "PredictedConv") and not case.cancels


def _custom_op(case: Case) -> bool:
    return operators()[case.operator].custom_op


IMPLEMENTATIONS = {
    "reference in float64": Implementation(_in_torch("reference", "float64"), _always),
    "reference in float32": Implementation(_in_torch("reference", "float32"), lambda case: not case.cancels),
    "torch in float64": Implementation(_in_torch("operator", "float64"), _custom_op),
    "torch in float32": Implementation(_in_torch("operator", "float32"), _custom_op),
    "torch in float16": Implementation(_in_torch("operator", "float16"), is_trained),
    "torch in bfloat16": Implementation(_in_torch("operator", "bfloat16"), is_trained),
    "torch without the library": Implementation(_without_the_library, is_trained),
    "ONNX body": Implementation(_body, lambda case: not case.cancels),
    **{f"native {isa}": Implementation(_native(isa), has_kernel) for isa in processor_isas.TESTED},
}
"""All of this machine; what needs a GPU, or stands for one, has tests of its own."""
