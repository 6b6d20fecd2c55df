"""The order of a predictor's weight in TensorRT's files."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.calib.trt.weight_layout import from_ohwi, is_ohwi, to_ohwi
from layoutrt.errors import LayoutRTError
from layoutrt.operators import DOMAIN

WEIGHT = np.arange(9 * 4 * 3 * 3, dtype=np.float32).reshape(9, 4, 3, 3)


def two_predictors(weight_name: str = "weight") -> onnx.ModelProto:
    """Two nodes of one weight, which a third node reads too."""
    nodes = [
        helper.make_node("PredictedConv", ["x", "h", weight_name, "bias"], [name], name, domain=DOMAIN)
        for name in ("a", "b")
    ]
    nodes.append(helper.make_node("Conv", ["h", "weight"], ["c"], "conv", pads=[1, 1, 1, 1]))
    features = [helper.make_tensor_value_info("h", TensorProto.FLOAT, [1, 4, 8, 8])]
    x = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, 8, 8]) for name in "abc"]
    constants = [
        numpy_helper.from_array(WEIGHT, "weight"),
        numpy_helper.from_array(np.zeros(9, np.float32), "bias"),
    ]
    return helper.make_model(helper.make_graph(nodes, "g", x + features, results, constants))


def weight_of(model: onnx.ModelProto, node: int) -> np.ndarray:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return constants[model.graph.node[node].input[2 if node < 2 else 1]]


def test_features_become_innermost_for_the_plugins_alone() -> None:
    model = to_ohwi(two_predictors())
    for node in (0, 1):
        assert is_ohwi(model.graph.node[node])
        np.testing.assert_array_equal(weight_of(model, node), WEIGHT.transpose(0, 2, 3, 1))
    assert model.graph.node[0].input[2] == model.graph.node[1].input[2]
    np.testing.assert_array_equal(weight_of(model, 2), WEIGHT)


def test_a_second_time_changes_nothing() -> None:
    model = to_ohwi(two_predictors())
    assert to_ohwi(model) == model


@pytest.mark.parametrize("back", [from_ohwi, for_onnxruntime])
def test_the_operators_get_their_order_back(back) -> None:
    model = back(to_ohwi(two_predictors()))
    for node in range(3):
        assert not is_ohwi(model.graph.node[node])
        np.testing.assert_array_equal(weight_of(model, node), WEIGHT)


def test_a_weight_that_is_computed_is_refused() -> None:
    with pytest.raises(LayoutRTError, match="node a has a weight that is not a constant"):
        to_ohwi(two_predictors("x"))
