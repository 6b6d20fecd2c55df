"""GatedPredictedConv in torch and as an ONNX function body gives what its reference gives."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from layoutrt.operators import BODY_OPSET, DOMAIN
from layoutrt.operators.gated_predicted_conv import GATED_PREDICTED_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.torch import gated_predicted_conv, predicted_conv
from layoutrt.runtime.backends.native_bindings import operator_library

NAMES = [parameter.name for parameter in GATED_PREDICTED_CONV.schema.inputs]


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def arguments(n: int, c: int, o: int, j: int, g: int, size: tuple[int, int], number: bool) -> list[Tensor]:
    shapes = [
        (n, c, *size),
        (n, j, *size),
        (c * 9, j, 1, 1),
        (c * 9,),
        (c,),
        (c,),
        (o, c, 1, 1),
        (o,),
        (n, g, *size),
        (o, g, 1, 1),
        (o,),
        (1, 1, 1, 1) if number else (n, o, *size),
    ]
    return [draw(*shape, seed=seed) for seed, shape in enumerate(shapes)]


CASES = {
    "one pixel": arguments(1, 1, 1, 1, 1, (1, 1), False),
    "more out than in": arguments(2, 3, 10, 4, 2, (5, 7), False),
    "a number added": arguments(2, 9, 4, 2, 5, (6, 4), True),
}


def model(given: dict[str, np.ndarray], *, with_bodies: bool, alpha: float | None) -> bytes:
    attributes = {} if alpha is None else {"alpha": alpha}
    node = onnx.helper.make_node(GATED_PREDICTED_CONV.name, NAMES, ["y"], domain=DOMAIN, **attributes)
    graph = onnx.helper.make_graph(
        [node],
        "one_operator",
        [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
            for name, value in given.items()
        ],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", "O", "H", "W"])],
    )
    bodies = [GATED_PREDICTED_CONV.body(), PREDICTED_CONV.body(3, 1)] if with_bodies else []
    made = onnx.helper.make_model(
        graph,
        functions=bodies,
        opset_imports=[onnx.helper.make_opsetid("", BODY_OPSET), onnx.helper.make_opsetid(DOMAIN, 1)],
        ir_version=10,
    )
    if with_bodies:
        onnx.checker.check_model(made)
    return made.SerializeToString()


@pytest.mark.parametrize("alpha", [None, 0.5])
@pytest.mark.parametrize("name", CASES)
def test_every_implementation_equals_the_reference(name: str, alpha: float | None) -> None:
    case = CASES[name]
    slope = () if alpha is None else (alpha,)
    expected = gated_predicted_conv.reference(*case, *slope)
    torch.testing.assert_close(
        gated_predicted_conv.gated_predicted_conv(*case, *slope), expected, rtol=1e-10, atol=1e-10
    )
    given = {name: value.float().numpy() for name, value in zip(NAMES, case, strict=True)}
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(operator_library()))
    for with_bodies, session_options in ((True, None), (False, options)):
        session = onnxruntime.InferenceSession(
            model(given, with_bodies=with_bodies, alpha=alpha),
            session_options,
            providers=["CPUExecutionProvider"],
        )
        result = session.run(None, given)[0]
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected.numpy(), atol=2e-5 * float(expected.abs().max()), rtol=0)


def test_the_body_is_predicted_conv_and_standard_operators() -> None:
    nodes = GATED_PREDICTED_CONV.body().node
    assert [node.op_type for node in nodes if node.domain == DOMAIN] == ["PredictedConv"]
    assert {node.domain for node in nodes} == {"", DOMAIN}


def test_the_result_is_the_half_block_written_out() -> None:
    x, h, weight, bias, scale, shift, mix, mix_bias, gate_h, gate_weight, gate_bias, residual = CASES[
        "more out than in"
    ]
    d = predicted_conv.reference(x, h, weight, bias, scale, shift)
    mixed = torch.einsum("oc,nchw->nohw", mix[..., 0, 0], d) + mix_bias[:, None, None]
    logit = torch.einsum("og,nghw->nohw", gate_weight[..., 0, 0], gate_h) + gate_bias[:, None, None]
    product = mixed / (1 + torch.exp(-logit))
    expected = residual + torch.where(product > 0, product, 0.2 * product)
    torch.testing.assert_close(gated_predicted_conv.reference(*CASES["more out than in"]), expected)


@pytest.mark.parametrize("number", [False, True])
def test_gradients_are_those_of_finite_differences(number: bool) -> None:
    inputs = [a.requires_grad_() for a in arguments(2, 2, 3, 2, 2, (2, 3), number)]
    assert torch.autograd.gradcheck(gated_predicted_conv.gated_predicted_conv, (*inputs, 0.3))


def test_the_custom_op_passes_opcheck() -> None:
    inputs = [a.requires_grad_() for a in arguments(1, 2, 3, 2, 2, (2, 3), False)]
    torch.library.opcheck(gated_predicted_conv.gated_predicted_conv, tuple(inputs))
