"""Estimates from a graph and a device's peaks."""

import dataclasses

import onnx
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.graph.cost import NodeCost, node_costs
from layoutrt.models import resolve_model
from layoutrt.runtime.profiling.device import Efficiency, find_device, known_devices, write_device
from layoutrt.runtime.profiling.estimate import estimate, estimate_layers, fused
from layoutrt.runtime.profiling.fit import measured_device
from layoutrt.runtime.profiling.profile import profile
from layoutrt.runtime.profiling.target import find_target


def cost(
    name: str, operator: str, flops: int, read: int, written: int, *inputs: str, weight: int = 0
) -> NodeCost:
    weights = (f"{name}.weight",) if weight else ()
    return NodeCost(name, operator, flops, weight, read, written, inputs, weights, (f"{name}_y",))


PERFECT = Efficiency({"fp32": 1.0, "int8": 1.0}, 1.0, 0.0, 1.0, "nothing")


def test_the_named_devices_are_complete_and_say_where_each_figure_is_from() -> None:
    assert known_devices() == [
        "agx-orin-64gb",
        "h200",
        "orin-nano-8gb",
        "orin-nx-16gb",
        "rtx-4060",
        "rtx-4090",
    ]
    for name in known_devices():
        device = find_device(name)
        assert 0 < device.fp32_tflops < device.fp16_tflops < device.int8_tops
        assert set(device.source) == {"fp32_tflops", "fp16_tflops", "int8_tops", "memory_gbs"}
        assert "no GPU was measured" in device.efficiency.fitted_on


def test_an_unknown_device_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LayoutRTError, match=r"'orin' is not known; choose agx-orin-64gb, h200, .*rtx-4090"):
        find_device("orin")


EFFICIENCY = """[efficiency]
compute = { fp32 = 0.5 }
memory = 0.5
overhead_us = 0
spread = 2
fitted_on = "x"
"""
UNFIT = [
    (("fp32", "fp16"), "needs compute with fp32"),
    (("{ fp32 = 0.5 }", "[0.5]"), "needs compute with fp32"),
    (("fp32 = 0.5", "fp32 = 0"), "needs compute with fp32"),
    (("memory = 0.5", 'memory = "half"'), "needs memory above 0"),
    (("overhead_us = 0", "overhead_us = -1"), "needs overhead_us of 0 or more"),
    (("spread = 2", "spread = 0"), "needs spread of 1 or more"),
]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("memory_gbs = 272.0", ""), "has no memory_gbs"),
        (("memory_gbs = 272.0", "memory_gbs = -1"), "has no memory_gbs"),
        (("[source]", "[sources]"), "where fp32_tflops is from"),
        (("[source]", "[efficiency]\nmemory = 1\n[source]"), "efficiency"),
        (("name =", "name"), "not valid TOML"),
        (("[source]", "source = 1\n[sources]"), "where fp32_tflops is from"),
        *((("[source]", f"{EFFICIENCY.replace(*change)}[source]"), words) for change, words in UNFIT),
    ],
)
def test_a_device_file_that_lacks_something_is_refused(tmp_path, change, words) -> None:
    text = (
        'name = "x"\nfp32_tflops = 15.1\nfp16_tflops = 60.5\nint8_tops = 121.0\nmemory_gbs = 272.0\n'
        "[source]\n"
        'fp32_tflops = "a"\nfp16_tflops = "b"\nint8_tops = "c"\nmemory_gbs = "d"\n'
    )
    file = tmp_path / "device.toml"
    file.write_text(text)
    assert find_device(str(file)).name == "x"
    file.write_text(text.replace(*change))
    with pytest.raises(LayoutRTError, match=words):
        find_device(str(file))
    with pytest.raises(LayoutRTError, match="cannot read"):
        find_device(str(tmp_path / "missing.toml"))


def test_a_device_survives_its_file(tmp_path) -> None:
    device = dataclasses.replace(find_device("rtx-4060"), name='a "device"\\')
    write_device(tmp_path / "device.toml", device)
    assert find_device(str(tmp_path / "device.toml")) == device


def test_a_layer_takes_the_longer_of_arithmetic_and_traffic_and_the_overhead() -> None:
    device = dataclasses.replace(
        find_device("rtx-4060"), fp32_tflops=1.0, memory_gbs=1.0, efficiency=dataclasses.replace(PERFECT)
    )
    graph = [
        cost("a", "Conv", 2_000_000_000, 500_000, 500_000, "x"),
        cost("b", "Resize", 0, 500_000, 3_500_000, "a_y"),
    ]
    first, second = estimate_layers(graph, device, "fp32")
    assert (first.ms, first.bound) == (pytest.approx(2.0), "compute")
    assert (second.ms, second.bound) == (pytest.approx(4.0), "memory")
    slow = dataclasses.replace(device, efficiency=Efficiency({"fp32": 0.5}, 0.5, 1000.0, 1.0, ""))
    assert [layer.ms for layer in estimate_layers(graph, slow, "fp32")] == pytest.approx([5.0, 9.0])


def test_an_activation_is_computed_while_its_layer_is_written() -> None:
    graph = [
        cost("a", "Conv", 1, 100, 400, "x", weight=10),
        cost("b", "Relu", 0, 400, 400, "a_y"),
        cost("c", "QuantizeLinear", 0, 400, 100, "b_y"),
        cost("d", "DequantizeLinear", 0, 100, 400, "c_y"),
        cost("e", "Conv", 1, 400, 400, "d_y", weight=10),
        cost("f", "Relu", 0, 400, 400, "e_y"),
        cost("g", "Add", 0, 800, 400, "f_y", "e_y"),
    ]
    layers = fused(graph)
    # e's result is read twice, so that it is stored and f is a layer of its own.
    assert [(node.name, moved) for node, moved in layers] == [("a", 210.0), ("e", 510.0), ("f", 1200.0)]


def test_precision_scales_traffic_and_takes_its_peak() -> None:
    target = find_target("camvid-edge")
    device = dataclasses.replace(find_device("rtx-4060"), efficiency=PERFECT)
    times = [estimate(target, device, precision).ms for precision in ("fp32", "fp16", "int8")]
    assert times == sorted(times, reverse=True)
    assert estimate(target, device).precision == "fp32"
    with pytest.raises(LayoutRTError, match="fp32, fp16, int8"):
        estimate(target, device, "fp8")


def test_an_estimate_is_labeled_as_one_and_has_a_range() -> None:
    found = estimate(find_target("camvid-edge"), find_device("orin-nano-8gb"), "fp16")
    assert found.as_json()["what"] == "estimate"
    assert found.low_ms < found.ms < found.high_ms
    graph = node_costs(onnx.load(resolve_model("camvid-edge"), load_external_data=False), found.size)
    assert sum(layer.flops for layer in found.layers) == sum(node.flops for node in graph)


def test_only_graphs_are_estimated(tiny_checkpoint) -> None:
    with pytest.raises(LayoutRTError, match="export it first"):
        estimate(find_target(str(tiny_checkpoint)), find_device("h200"))


@pytest.mark.slow
def test_this_machines_estimate_is_within_35_percent_of_its_measurement(tmp_path) -> None:
    """By the file that ``layoutrt profile --device-file`` writes of this machine."""
    targets = [find_target(name) for name in ("camvid-edge", "camvid-seg")]
    errors = []
    # A neighbor may come or go between the models' layers: the best of five.
    for _ in range(5):
        measured = profile(targets, iterations=5, warm_up=5, threads=1, layers=True)
        write_device(tmp_path / "here.toml", measured_device(measured, targets))
        device = find_device(str(tmp_path / "here.toml"))
        truths = [model.layers.engine_ms for model in measured.models if model.layers]
        guesses = [estimate(target, device).ms for target in targets]
        errors.append(max(abs(guess / truth - 1) for guess, truth in zip(guesses, truths, strict=True)))
        if errors[-1] < 0.35:
            break
    assert min(errors) < 0.35
