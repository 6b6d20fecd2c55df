"""Cost of a graph, node by node."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.calibrate import calibrate
from layoutrt.graph.cost import graph_cost, node_costs
from layoutrt.graph.shapes import tensor_types
from layoutrt.models import resolve_model


@pytest.mark.parametrize("name", ["camvid-edge", "camvid-seg"])
@pytest.mark.parametrize("size", [(64, 96), (192, 256)])
def test_the_nodes_make_up_the_graph(name, size) -> None:
    model = onnx.load(resolve_model(name))
    nodes = node_costs(model, size)
    whole = graph_cost(model, size)
    assert sum(node.flops for node in nodes) == whole.flops
    assert len(nodes) == whole.nodes
    weights = {weight for node in nodes for weight in node.weights}
    assert weights <= {tensor.name for tensor in model.graph.initializer}


def test_bytes_are_those_of_the_tensors() -> None:
    weight = numpy_helper.from_array(np.zeros((8, 4, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1] * 4)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8, "H", "W"])],
        [weight],
    )
    (node,) = node_costs(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), (5, 6))
    assert (node.read_bytes, node.written_bytes, node.weight_bytes) == (4 * 4 * 30, 4 * 8 * 30, 4 * 288)
    assert node.bytes == node.read_bytes + node.written_bytes + node.weight_bytes
    assert node.flops == 2 * 30 * 288
    assert (node.inputs, node.weights, node.outputs) == (("x",), ("w",), ("y",))


def test_8_bit_files_cost_the_same_arithmetic_and_a_quarter_of_the_weights(tiny_model, tmp_path) -> None:
    calibrate(tiny_model, "drive:4", tmp_path / "int8.onnx")
    fp32, int8 = onnx.load(tiny_model), onnx.load(tmp_path / "int8.onnx")
    size = (64, 96)
    assert graph_cost(int8, size).flops == graph_cost(fp32, size).flops
    # Weights of convolutions are 8-bit with the node that uses them, not with one that dequantizes them.
    nodes = {node.name: node for node in node_costs(int8, size)}
    for node in node_costs(fp32, size):
        if node.operator == "Conv" and nodes[node.name].weights[0].endswith("_int8"):
            assert nodes[node.name].weight_bytes < node.weight_bytes
    assert not any(node.operator == "DequantizeLinear" and not node.inputs for node in nodes.values())


def test_types_of_our_operators_results_are_known() -> None:
    types = tensor_types(onnx.load(resolve_model("camvid-edge")), (64, 96))
    assert types["image"].shape == (1, 64, 96, 3)
    assert types["image"].bytes == 64 * 96 * 3
    assert types["gated_predicted_conv"].shape[0] == 1
    assert types["layout_conv_1"].bytes == 4 * 32 * 32 * 48
