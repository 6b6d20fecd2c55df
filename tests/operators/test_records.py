"""Every operator is complete: the test names what a new one still lacks."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from onnx import FunctionProto
from onnx.defs import OpSchema

from layoutrt.export.onnx_export.to_onnx import _translations
from layoutrt.operators import DOMAIN, MODULES, VERSION, operators
from layoutrt.operators.layout_conv import LAYOUT_CONV
from layoutrt.operators.operator import Operator
from tests.support import ROOT

NATIVE = ROOT / "runtime/native"
BY_MODULE = dict(zip(MODULES, operators().values(), strict=True))


def names(path: Path, word: str) -> bool:
    return path.is_file() and re.search(rf"\b({word})\b", path.read_text(encoding="utf-8")) is not None


def lacks(module: str, operator: Operator) -> Iterator[str]:
    """Parts that an operator lacks, each as the place where it belongs."""
    name, before = operator.name, list(operators())
    before = before[: before.index(name)] if name in before else before
    yield from schema_lacks(operator)
    yield from body_lacks(operator, before)
    if operator.quantized and operator.quantized not in operators():
        yield f"the operator {operator.quantized}, its 8-bit form"
    kernels = (NATIVE / "kernels/kernel_list.h").read_text(encoding="utf-8")
    if not re.search(rf"\b{module}(_[13]x[13])?,", kernels):
        yield f"a kernel {module} in runtime/native/kernels/kernel_list.h"
    if not names(NATIVE / "operators/registration.cpp", f"CustomOperator<{name}"):
        yield f"CustomOperator<{name}> in runtime/native/operators/registration.cpp"
    if (operator.plugin is not None) != names(NATIVE / "tensorrt/plugins/library.cpp", name):
        yield "one answer in its record and in runtime/native/tensorrt/plugins/library.cpp: a plugin or none"
    yield from torch_lacks(module, operator)
    if not names(ROOT / f"tests/operators/cases/{module}.py", "CASES"):
        yield f"cases in tests/operators/cases/{module}.py"
    if not names(ROOT / "docs/operators.md", name):
        yield "a row in docs/operators.md"


def schema_lacks(operator: Operator) -> Iterator[str]:
    schema = operator.schema
    if (schema.domain, schema.since_version) != (DOMAIN, VERSION):
        yield f"a schema of the domain {DOMAIN}, version {VERSION}"
    parts = [*schema.inputs, *schema.outputs, *schema.attributes.values()]
    if not schema.doc or not all(part.description for part in parts):
        yield "a description of itself, or of an input, output or attribute, in its schema"
    if any(not 0 <= place < len(schema.inputs) for place in operator.weights):
        yield "an input that its record calls a weight"


def body_lacks(operator: Operator, before: list[str]) -> Iterator[str]:
    body = operator.body()
    inputs = [parameter.name for parameter in operator.schema.inputs]
    if (body.name, body.domain) != (operator.name, DOMAIN) or list(body.input) != inputs[: len(body.input)]:
        yield "a body of its name and its schema's inputs"
    reached = {node.op_type for node in body.node if node.domain == DOMAIN}
    for called in list(reached & operators().keys()):
        reached |= set(operators()[called].calls)
    if reached != set(operator.calls):
        yield f"the operators that its body reaches, {sorted(reached)}, as its record's `calls`"
    if not reached <= set(before):
        yield "a place in MODULES after the operators that its body calls"


def torch_lacks(module: str, operator: Operator) -> Iterator[str]:
    path = f"layoutrt.operators.torch.{module}"
    if importlib.util.find_spec(path) is None or not hasattr(importlib.import_module(path), "reference"):
        yield f"a reference in layoutrt/operators/torch/{module}.py"
    op = getattr(torch.ops.layoutrt, module, None)
    if (op is not None) != operator.custom_op:
        yield f"one answer in its record and in torch.ops.layoutrt.{module}: a custom op or none"
    if operator.custom_op and (op is None or op.default not in _translations()):
        yield "a translation in export/onnx_export/to_onnx.py"


@pytest.mark.parametrize("module", MODULES)
def test_an_operator_lacks_nothing(module: str) -> None:
    missing = list(lacks(module, BY_MODULE[module]))
    assert not missing, f"{module} lacks: " + "; ".join(missing)


def test_all_that_a_new_operator_lacks_is_named() -> None:
    schema = OpSchema(
        "ToyConv",
        DOMAIN,
        VERSION,
        inputs=[OpSchema.FormalParameter("x", "tensor(float)")],
        outputs=[OpSchema.FormalParameter("y", "tensor(float)")],
    )

    def body() -> FunctionProto:
        return LAYOUT_CONV.body()

    toy = Operator(
        schema=schema, body=body, flops=lambda node, shapes: 0, weights=(3,), quantized="QuantizedToyConv"
    )
    text = "; ".join(lacks("toy_conv", replace(toy, plugin=LAYOUT_CONV.plugin)))
    for part in (
        "description",
        "calls a weight",
        "a body of its name",
        "QuantizedToyConv",
        "kernel_list.h",
        "registration.cpp",
        "library.cpp: a plugin",
        "reference in layoutrt/operators/torch/toy_conv.py",
        "torch.ops.layoutrt.toy_conv",
        "a translation",
        "cases in tests/operators/cases/toy_conv.py",
        "a row in docs/operators.md",
    ):
        assert part in text, part


def test_every_module_of_an_operator_is_registered() -> None:
    files = (ROOT / "layoutrt/operators").glob("*_*.py")
    defining = {path.stem for path in files if " = Operator(" in path.read_text(encoding="utf-8")}
    assert defining == set(MODULES)


WITH_8_BITS = [operator for operator in operators().values() if operator.quantized]


@pytest.mark.parametrize("operator", WITH_8_BITS, ids=lambda operator: operator.name)
def test_an_8_bit_form_has_the_inputs_and_weights_of_what_it_computes(operator: Operator) -> None:
    form = operators()[operator.quantized]
    assert form.weights == operator.weights
    pairs = zip(form.schema.inputs, operator.schema.inputs, strict=True)
    for place, (ours, theirs) in enumerate(pairs):
        assert ours.name == theirs.name
        assert (ours.type_str == "tensor(int8)") == (place in operator.weights)
