"""ConvToImage in torch and as an ONNX function body gives what its reference gives."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from layoutrt.operators import BODY_OPSET, DOMAIN
from layoutrt.operators.conv_to_image import CONV_TO_IMAGE
from layoutrt.operators.torch import conv_to_image
from layoutrt.runtime.backends.native_bindings import operator_library

NAMES = ("x", "weight", "bias", "y")


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def arguments(n: int, c: int, d: int, size: tuple[int, int]) -> list[Tensor]:
    """``d`` 0: without y."""
    made = [draw(n, c, *size, seed=0), draw(3, c + d, 3, 3, seed=1) / (c + d), draw(3, seed=2) / 4]
    return [*made, draw(n, d, *size, seed=3)] if d else made


CASES = {
    "one pixel": arguments(1, 1, 0, (1, 1)),
    "one input": arguments(2, 5, 0, (6, 7)),
    "two inputs": arguments(2, 3, 4, (9, 5)),
}


def model(given: dict[str, np.ndarray], *, with_body: bool) -> bytes:
    node = onnx.helper.make_node(CONV_TO_IMAGE.name, list(given), ["image"], domain=DOMAIN)
    graph = onnx.helper.make_graph(
        [node],
        "one_operator",
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
            for name, value in given.items()
        ],
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, ["N", "H", "W", 3])],
    )
    made = onnx.helper.make_model(
        graph,
        functions=[CONV_TO_IMAGE.body(with_y="y" in given)] if with_body else [],
        opset_imports=[onnx.helper.make_opsetid("", BODY_OPSET), onnx.helper.make_opsetid(DOMAIN, 1)],
        ir_version=10,
    )
    if with_body:
        onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def run(case: list[Tensor], *, with_body: bool) -> np.ndarray:
    given = {name: value.numpy() for name, value in zip(NAMES, case, strict=False)}
    options = onnxruntime.SessionOptions()
    if not with_body:
        options.register_custom_ops_library(str(operator_library()))
    session = onnxruntime.InferenceSession(
        model(given, with_body=with_body), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, given)[0]


@pytest.mark.parametrize("name", CASES)
def test_every_implementation_equals_the_reference(name: str) -> None:
    case = CASES[name]
    expected = conv_to_image.reference(*case)
    assert expected.dtype == torch.uint8
    assert torch.equal(conv_to_image.conv_to_image(*case), expected)
    for with_body in (True, False):
        image = run(case, with_body=with_body)
        assert image.dtype == np.uint8
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - expected.numpy()).max() <= 1
        # A sum that is a rounding error away from the middle of two levels may take either, which is rare.
        assert (image != expected.numpy()).mean() < 0.01


def test_the_image_is_the_definition_written_out() -> None:
    x, weight, bias, y = CASES["two inputs"]
    features = torch.nn.functional.pad(torch.cat([x, y], 1), (1, 1, 1, 1)).double()
    windows = features.unfold(2, 3, 1).unfold(3, 3, 1)
    sums = torch.einsum("nchwij,ocij->nhwo", windows, weight.double()) + bias
    expected = torch.round(torch.tanh(sums) * 127.5 + 127.5)
    assert expected.std() > 1
    assert torch.equal(conv_to_image.reference(x, weight, bias, y).double(), expected)


@pytest.mark.parametrize("with_body", [True, False])
def test_the_range_ends_at_0_and_255_and_half_a_level_is_rounded_to_even(with_body: bool) -> None:
    weight = torch.zeros(3, 1, 3, 3)
    weight[:, 0, 1, 1] = torch.tensor([1.0, -1.0, 0.0])
    image = run([torch.tensor([[[[50.0, -50.0, 0.0]]]]), weight, torch.zeros(3)], with_body=with_body)
    # 0 is in the middle of 127 and 128.
    assert image.tolist() == [[[[255, 0, 128], [0, 255, 128], [128, 128, 128]]]]


def test_the_body_is_standard_operators() -> None:
    for with_y in (True, False):
        assert {node.domain for node in CONV_TO_IMAGE.body(with_y).node} == {""}


def test_the_custom_op_passes_opcheck() -> None:
    for name in ("one input", "two inputs"):
        torch.library.opcheck(conv_to_image.conv_to_image, tuple(CASES[name]))
