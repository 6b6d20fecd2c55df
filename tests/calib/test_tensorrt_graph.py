"""The graph for TensorRT: the same numbers, in operators and types that TensorRT has."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.observe.intermediate_outputs import applied_kernels, intermediate_session
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.graph.element_types import element_types
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model

RANDOM = np.random.default_rng(0)
LAYOUT = Drive(label_set("camvid"), 64, 96).frame(3)[None]
LABELS_AND_DONT_CARE = RANDOM.choice(np.array([0, 1, 2, 3, 200, 255], np.uint8), (1, 64, 96))


def run(model: onnx.ModelProto, arguments: dict[str, np.ndarray]) -> np.ndarray:
    (output,) = model.graph.output
    with intermediate_session(model, (), [output], threads=1) as session:
        return session.run(**arguments)[output.name]


def graph(nodes, inputs, outputs, constants=(), opset=20) -> onnx.ModelProto:
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)  # noqa: E731
    made = helper.make_graph(
        nodes, "test", [value(*one) for one in inputs], [value(*one) for one in outputs], list(constants)
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("layoutrt", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


@pytest.fixture(params=["tiny", "with latent, instances and don't-care", "camvid-edge", "camvid-seg"])
def case(request, tiny_model, tiny_full_model) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    if request.param == "camvid-seg":
        return onnx.load(resolve_model("camvid-seg")), {
            "frame": RANDOM.integers(0, 256, (1, 64, 96, 3), np.uint8)
        }
    if request.param == "camvid-edge":
        return onnx.load(resolve_model("camvid-edge")), {"labels": LAYOUT}
    if request.param == "tiny":
        return onnx.load(tiny_model), {"labels": LAYOUT}
    z = RANDOM.standard_normal((1, 16), np.float32)
    instances = np.repeat(np.arange(16, dtype=np.int32) * 70_000, 64 * 6).reshape(1, 64, 96)
    return onnx.load(tiny_full_model), {"labels": LABELS_AND_DONT_CARE, "instances": instances, "z": z}


def test_the_lowered_graph_makes_the_same_picture(case) -> None:
    model, arguments = case
    before = model.SerializeToString()
    lowered = lower(model)
    assert model.SerializeToString() == before
    assert (lowered.graph.input, lowered.graph.output) == (model.graph.input, model.graph.output)
    assert lowered.metadata_props == model.metadata_props
    ours, theirs = (run(one, arguments).astype(int) for one in (for_onnxruntime(lowered), model))
    # The gated operator rounds in another order than its parts.
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.001


def test_uint8_is_at_the_borders_only_and_cast_from_and_to_float(case) -> None:
    lowered = lower(case[0])
    types = element_types(lowered)
    borders = {value.name for value in (*lowered.graph.input, *lowered.graph.output)}
    bytes_ = {name for name, kind in types.items() if kind == TensorProto.UINT8}
    assert bytes_
    assert bytes_ <= borders
    for node in lowered.graph.node:
        if bytes_ & {*node.input, *node.output}:
            assert node.op_type == "Cast"
            assert TensorProto.FLOAT in (types[node.input[0]], types[node.output[0]])
    assert lowered.graph.node[-1].op_type == "Cast"


def test_plugins_have_the_attributes_by_which_they_are_found(case) -> None:
    lowered = lower(case[0])
    assert not lowered.functions
    types = element_types(lowered)
    for node in lowered.graph.node:
        attributes = {attribute.name: attribute.s for attribute in node.attribute}
        assert (node.domain == "layoutrt") == (attributes.get("plugin_namespace") == b"layoutrt")
        if node.domain:
            assert attributes["plugin_version"] == b"1"
            assert node.op_type in ("LayoutConv", "PredictedConv")
        if node.op_type == "LayoutConv":
            assert types[node.input[0]] == TensorProto.INT32


def test_a_gated_operator_becomes_parts_named_after_it(tiny_model) -> None:
    model = onnx.load(tiny_model)
    nodes = {node.name: node for node in lower(model).graph.node}
    zeros = {tensor.name for tensor in model.graph.initializer if not numpy_helper.to_array(tensor).any()}
    gated = [node for node in model.graph.node if node.op_type == "GatedPredictedConv"]
    assert len(gated) == 14
    for node in gated:
        y = node.output[0]
        predicted, mix = nodes[f"{node.name}/predicted_conv"], nodes[f"{node.name}/mix"]
        assert predicted.output[0] == mix.input[0] == applied_kernels(node)
        adds = f"{node.name}/residual" in nodes
        assert adds == (node.input[11] not in zeros)
        assert nodes[f"{node.name}/{'residual' if adds else 'activation'}"].output[0] == y


def test_class_indices_are_int32_from_the_beginning(tiny_full_model) -> None:
    lowered = lower(onnx.load(tiny_full_model))
    types = element_types(lowered)
    (clamp,) = (node for node in lowered.graph.node if node.op_type == "Min")
    assert types[clamp.output[0]] == TensorProto.INT32
    to_int32 = [
        node
        for node in lowered.graph.node
        if node.op_type == "Cast" and types[node.output[0]] == TensorProto.INT32
    ]
    assert [node.input[0] for node in to_int32] == ["labels_float"]


def layout_conv(labels: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node(
            "LayoutConv", [labels, "table", "bias"], ["y"], "conv", domain="layoutrt", strides=[1, 1]
        )
    ]


TABLE = [
    numpy_helper.from_array(RANDOM.standard_normal((4, 9, 2)).astype(np.float32), "table"),
    numpy_helper.from_array(np.zeros(2, np.float32), "bias"),
]
LABELS = [("labels", TensorProto.UINT8, [1, 4, 4])]
FEATURES = [("y", TensorProto.FLOAT, [1, 2, 4, 4])]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [helper.make_node("Sine", ["labels"], ["y"], "wave", domain="com.example")],
            "wave is a Sine of com.example",
        ),
        ([helper.make_node("Resample", ["labels"], ["y"], "wave", domain="layoutrt")], "wave is a Resample"),
        ([helper.make_node("Max", ["labels", "labels"], ["y"], "most")], "most is a Max of uint8"),
        (
            [helper.make_node("QuantizeLinear", ["labels", "bias"], ["y"], "eight")],
            "eight is a QuantizeLinear: give the float model",
        ),
        (
            [
                helper.make_node(
                    "Identity", ["bias"], ["y"], "same", body=helper.make_graph([], "inner", [], [])
                )
            ],
            "same is a Identity, which holds a graph",
        ),
    ],
)
def test_operators_without_a_place_are_refused(nodes, message) -> None:
    with pytest.raises(LayoutRTError, match=message):
        lower(graph(nodes, LABELS, FEATURES, TABLE))


def test_an_opset_without_fp16_scales_and_a_model_in_fp16_are_refused() -> None:
    with pytest.raises(LayoutRTError, match="opset 17"):
        lower(graph(layout_conv("labels"), LABELS, FEATURES, TABLE, opset=17))
    half = [
        numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        for tensor in TABLE
    ]
    with pytest.raises(LayoutRTError, match="table is in FP16 already"):
        lower(graph(layout_conv("labels"), LABELS, FEATURES, half))


def test_constants_become_initializers_and_truncation_to_bytes_stays() -> None:
    nodes = [
        helper.make_node("Constant", [], ["offset"], value_float=0.75),
        helper.make_node("Cast", ["labels"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["wide", "offset"], ["moved"]),
        helper.make_node("Cast", ["moved"], ["bytes"], to=TensorProto.UINT8),
        *layout_conv("bytes"),
    ]
    model = graph(nodes, LABELS, FEATURES, TABLE)
    lowered = lower(model)
    assert "Constant" not in {node.op_type for node in lowered.graph.node}
    labels = RANDOM.integers(0, 4, (1, 4, 4), np.uint8)
    assert np.array_equal(run(for_onnxruntime(lowered), {"labels": labels}), run(model, {"labels": labels}))
