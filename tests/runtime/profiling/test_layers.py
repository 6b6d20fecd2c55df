"""Executed nodes are folded into layers with their arithmetic, network block and roofline time."""

import json

import onnx
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.graph.cost import NodeCost, graph_cost, node_costs
from layoutrt.models import resolve_model, shipped_models
from layoutrt.runtime.profiling.backends import specification
from layoutrt.runtime.profiling.blocks import OTHER, block_of_weight
from layoutrt.runtime.profiling.executed_node import ExecutedNode
from layoutrt.runtime.profiling.inputs import write_inputs
from layoutrt.runtime.profiling.layer_profile import cache_bytes, profile_layers
from layoutrt.runtime.profiling.layers import by_block, by_operator, fold, quiet_runs
from layoutrt.runtime.profiling.onnxruntime_events import read_events
from layoutrt.runtime.profiling.reference_workload import Peaks
from layoutrt.runtime.profiling.target import find_target
from layoutrt.runtime.profiling.tensorrt_layers import fold_tensorrt

PEAKS = Peaks(gflops=100.0, int8_gops=400.0, memory_gbs=10.0, cache_gbs=50.0)
SIZE = (64, 64)


def node(name: str, operator: str, times: list[float], *, moved: int = 1000, element: str = "float", **more):
    return ExecutedNode(name, operator, element, moved, 0.0, times, **more)


@pytest.mark.parametrize("name", shipped_models())
def test_layers_have_all_the_arithmetic_of_the_file_and_all_have_a_block(name, tmp_path) -> None:
    target = find_target(name, SIZE)
    write_inputs(target, "drive:2", tmp_path / "inputs.npz")
    spec = specification(target, None, None) | {"inputs": str(tmp_path / "inputs.npz"), "threads": 1}
    layers = profile_layers(target, spec, PEAKS).layers
    # Nothing is lost where ONNX Runtime fuses, renames and reorders.
    assert sum(layer.flops for layer in layers) == graph_cost(onnx.load(target.path), SIZE).flops
    assert OTHER not in by_block(layers)
    assert {layer.precision for layer in layers} <= {"fp32", "int8", "int64"}
    parts = {layer.part for layer in layers}
    assert ("network.stem" if target.kind == "segmenter" else "levels.4.blocks.0.half_1") in parts
    assert any(layer.precision == target.precision for layer in layers)


def test_blocks_are_named_by_the_weights() -> None:
    names = {
        "head.table": "head",
        "down.2.weight": "layout pyramid",
        "up.0.bias": "layout pyramid",
        "levels.3.blocks.1.half_2.conditional.weight": "level 3",
        "reduce.3.weight_int8": "level 3",
        "blocks.6.half_1.gate.weight": "block 6",
        "full_spatial.weight": "full size",
        "to_rgb.weight": "to RGB",
        "network.stage16.2.conv1.weight": "encoder 1/16",
        "network.merge4.weight": "decoder 1/4",
        "val_29": None,
    }
    assert {name: block_of_weight(name) for name in names} == names


def test_a_layer_is_under_the_roof_that_holds_it_back_longest() -> None:
    executed = [
        node("compute", "Conv", [1.0]),
        node("memory", "Relu", [1.0], moved=9_000_000),
        node("cache", "Relu", [0.01], moved=400_000),
        node("slow", "Relu", [1.0], moved=400_000),
    ]
    graph = node_costs(onnx.load(resolve_model("camvid-edge"), load_external_data=False), SIZE)
    convolution = next(cost for cost in graph if cost.name == "node_conv2d_21")
    executed[0] = node(convolution.name, "Conv", [convolution.flops / 100.0 / 1e6 * 2])
    found = {layer.name: layer for layer in fold(executed, graph, PEAKS, 1_000_000)}
    assert found[convolution.name].bound == "compute"
    assert found[convolution.name].roof_ms / found[convolution.name].ms == pytest.approx(0.5)
    assert found[convolution.name].gflops == pytest.approx(50)
    assert [found[name].bound for name in ("memory", "cache", "slow")] == ["memory", "cache", "neither"]
    assert found["memory"].gbs == pytest.approx(9)


def test_a_fused_activation_takes_its_convolution_and_what_the_engine_added_the_block_before() -> None:
    graph = node_costs(onnx.load(resolve_model("camvid-edge"), load_external_data=False), SIZE)
    executed = [
        node("leaky_relu_1_nchwc", "Conv", [1.0]),
        node("ReorderOutput_token_3", "ReorderOutput", [1.0]),
    ]
    first, second = fold(executed, graph, PEAKS, 0)
    assert first.part == "down.0"
    assert first.flops == next(cost.flops for cost in graph if cost.name == "node_conv2d")
    assert first.block == second.block == "layout pyramid"


def test_packed_weights_that_the_engine_does_not_count_are_counted() -> None:
    cost = NodeCost("conv", "Conv", 1000, 40, 50, 50, ("x",), ("w",), ("y",))
    (packed,) = fold([node("conv", "QLinearConv", [1.0], moved=100, element="uint8")], [cost], PEAKS, 0)
    assert (packed.bytes, packed.precision) == (140, "int8")


def test_times_are_of_the_same_quiet_runs_so_that_they_add_up() -> None:
    # A busy neighbor slowed another node in each run; two runs had none.
    executed = [node("a", "Relu", [9, 1, 2, 1, 9, 9, 1, 9]), node("b", "Relu", [1, 9, 1, 2, 9, 1, 9, 9])]
    assert sorted(quiet_runs(executed)) == [-6, -5]
    assert [layer.ms for layer in fold(executed, [], PEAKS, 0)] == [1.5, 1.5]


def test_groups_are_in_the_order_of_the_run_and_of_the_time() -> None:
    executed = [node("a", "Relu", [1.0]), node("b", "Conv", [3.0]), node("c", "Conv", [1.0])]
    assert list(by_operator(fold(executed, [], PEAKS, 0))) == ["Conv", "Relu"]


def event(name: str, start: int, duration: int, **facts) -> dict:
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": duration, "args": facts}


def test_onnxruntimes_profile_is_read_by_run(tmp_path) -> None:
    facts = {
        "op_name": "QLinearConv",
        "node_index": "1",
        "activation_size": "100",
        "parameter_size": "20",
        "output_size": "40",
        "input_type_shape": [{"uint8": [1, 2]}, {"float": []}],
        "output_type_shape": [{"uint8": [1, 2]}],
    }
    events = [event("before a run", 5, 1, op_name="Relu")]
    for start in (100, 1100):
        events.append({"cat": "Session", "name": "model_run", "ts": start, "dur": 900})
        events.append(event("conv", start + 100, 300 + start, **facts))
        events.append(event("relu", start + 600, 200, op_name="Relu", output_type_shape=[{"float": [4]}]))
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(events))
    conv, relu = read_events(file)
    assert (conv.name, conv.operator, conv.element, conv.bytes) == ("conv", "QLinearConv", "uint8", 160)
    assert conv.times_ms == [0.4, 1.4]
    assert (relu.name, relu.element, relu.start_ms, relu.times_ms) == ("relu", "float", 0.6, [0.2, 0.2])


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', "[1, 2]"])
def test_a_file_that_is_no_profile_is_one_sentence(tmp_path, text) -> None:
    file = tmp_path / "profile.json"
    file.write_text(text)
    with pytest.raises(LayoutRTError, match=r"profile\.json"):
        read_events(file)


INSPECTOR = {
    "Layers": [
        {
            "Name": "down.0 + leaky",
            "LayerType": "CaskConvolution",
            "ParameterType": "Convolution",
            "Inputs": [{"Name": "a", "Dimensions": [1, 32, 16, 16], "Format/Datatype": "Channel major FP16"}],
            "Outputs": [{"Name": "b", "Dimensions": [1, 32, 8, 8], "Format/Datatype": "Channel major FP16"}],
            "Weights": {"Type": "Half", "Count": 9216},
            "Metadata": "[ONNX Layer: node_conv2d]\x1e[ONNX Layer: node_leaky_relu_1]",
        },
        {"Name": "no-op", "LayerType": "NoOp", "Inputs": [], "Outputs": []},
    ]
}


@pytest.mark.parametrize("rest", [{"Bindings": ["labels", "image"]}, {"I/O Tensors": ["labels", "image"]}])
def test_tensorrts_layers_become_the_same_table(rest) -> None:
    runs = [{"down.0 + leaky": 0.20}, {"down.0 + leaky": 0.22}]
    (executed,) = fold_tensorrt(runs, json.dumps(INSPECTOR | rest))
    assert executed.element == "float16"
    assert executed.bytes == 2 * (32 * 16 * 16 + 32 * 8 * 8 + 9216)
    assert executed.times_ms == [0.20, 0.22]
    graph = node_costs(onnx.load(resolve_model("camvid-edge"), load_external_data=False), SIZE)
    (layer,) = fold([executed], graph, PEAKS, 0)
    assert (layer.part, layer.block, layer.precision) == ("down.0", "layout pyramid", "fp16")
    assert layer.flops == next(cost.flops for cost in graph if cost.name == "node_conv2d")


def test_an_engine_without_detail_is_one_sentence() -> None:
    for text in ('{"Layers": ["a", "b"]}', "not json"):
        with pytest.raises(LayoutRTError, match="DETAILED"):
            fold_tensorrt([{"a": 1.0}], text)
    with pytest.raises(LayoutRTError, match="no run"):
        fold_tensorrt([], "{}")


def test_the_caches_size_is_read_from_the_system(tmp_path) -> None:
    for index, size in enumerate(("32K", "1024K", "32M")):
        folder = tmp_path / f"sys/devices/system/cpu/cpu0/cache/index{index}"
        folder.mkdir(parents=True)
        (folder / "size").write_text(f"{size}\n")
    assert cache_bytes(tmp_path) == 16 << 20
    assert cache_bytes(tmp_path / "nowhere") > 0
