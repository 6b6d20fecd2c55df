"""A whole file for TensorRT gives its picture where our plugins' nodes are computed by the CUDA kernels.

The kernels run on the CPU: once called as the file's attributes say, once by the plugins themselves, which
get the attributes that TensorRT's parser would hand on.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, helper, numpy_helper

from layoutrt.calib.fp16.half import to_half
from layoutrt.calib.observe.ranges import collect_ranges
from layoutrt.calib.trt.lowering import lower
from layoutrt.calib.trt.ort_equivalent import for_onnxruntime
from layoutrt.calib.trt.parser_rules import violations
from layoutrt.calib.trt.qdq_insertion import insert_qdq, tensors_to_measure
from layoutrt.calib.trt.weight_layout import to_ohwi
from layoutrt.drive import Drive
from layoutrt.graph.onnx_file import save_model
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model
from layoutrt.operators import plugins
from layoutrt.operators.layout_conv import LAYOUT_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.quantized_predicted_conv import QUANTIZED_PREDICTED_CONV
from layoutrt.runtime.session import Session
from tests.native.tensorrt.placed_file import Compute, run_placed_file
from tests.support.cuda import launchers

INPUTS = {
    LAYOUT_CONV.name: ("labels", "table", "bias"),
    PREDICTED_CONV.name: ("x", "h", "weight", "bias", "scale", "shift"),
    QUANTIZED_PREDICTED_CONV.name: ("x", "h", "weight", "bias", "scale", "shift"),
}
STRENGTH = 8
TYPES = {AttributeProto.FLOAT: "float32", AttributeProto.FLOATS: "float32", AttributeProto.STRING: "char"}


class Network(NamedTuple):
    """A generator as float graph for TensorRT, and arguments of its runs."""

    lowered: onnx.ModelProto
    arguments: list[dict[str, np.ndarray]]

    def in_half(self) -> onnx.ModelProto:
        return to_ohwi(to_half(self.lowered, ()))

    def in_8_bits(self) -> onnx.ModelProto:
        names = tensors_to_measure(self.lowered)
        ranges = collect_ranges(for_onnxruntime(self.lowered), names, self.arguments, threads=1)
        return to_ohwi(to_half(insert_qdq(self.lowered, ranges), ()))


def with_strong_predictors(lowered: onnx.ModelProto) -> onnx.ModelProto:
    """A new network's predicted kernels are nearly constant: nobody would see a wrong predictor."""
    weights = {node.input[2] for node in lowered.graph.node if node.op_type == PREDICTED_CONV.name}
    for tensor in lowered.graph.initializer:
        if tensor.name in weights:
            stronger = STRENGTH * numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(stronger, tensor.name))
    return lowered


@pytest.fixture(params=["edge", "paper"])
def network(request: pytest.FixtureRequest) -> Network:
    """The shipped generator, whose predictors are 1x1, and a small one of the paper's, whose are 3x3."""
    size = (32, 64) if request.param == "edge" else (64, 96)
    layouts = [Drive(label_set("camvid"), *size).frame(index)[None] for index in range(0, 40, 10)]
    if request.param == "edge":
        return Network(lower(onnx.load(resolve_model("camvid-edge"))), [{"labels": x} for x in layouts])
    model = onnx.load(request.getfixturevalue("tiny_paper_model"))
    random = np.random.default_rng(0)
    latent = model.graph.input[-1].type.tensor_type.shape.dim[1].dim_value
    arguments = [
        {
            "labels": layout % 4,
            "instances": layout.astype(np.int32),
            "z": random.standard_normal((1, latent)).astype(np.float32),
        }
        for layout in layouts
    ]
    return Network(with_strong_predictors(lower(model)), arguments)


@pytest.fixture(scope="module")
def by_kernels(build: Callable[..., Path]) -> Compute:
    folder = build("cuda", ["cuda_kernels_driver"], LAYOUTRT_BASELINE_ONLY="ON")
    library = launchers.Launchers(folder / "libcuda_kernels_driver.so")

    def compute(node: onnx.NodeProto, inputs: list[np.ndarray]) -> np.ndarray:
        arrays: dict[str, Any] = dict(zip(INPUTS[node.op_type], inputs, strict=False))
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == LAYOUT_CONV.name:
            arrays["stride"] = values["strides"][0]
        elif node.op_type == QUANTIZED_PREDICTED_CONV.name:
            arrays |= {"h_scale": values["h_scale"], "weight_scale": np.float32(values["weight_scale"])}
            arrays |= {"y_scale": values["y_scale"], "y_order": "nchw"} if "y_scale" in values else {}
        return library.run(node.op_type, arrays)

    return compute


def words(value: Any) -> str:
    """A number or a list of them, as a case of the harness has them."""
    return " ".join(map(repr, np.ravel(value).tolist()))


@pytest.fixture
def by_plugins(versions: list[Any], tmp_path: Path) -> Compute:
    version, folder = versions[-1], tmp_path / "case"
    folder.mkdir()

    def compute(node: onnx.NodeProto, inputs: list[np.ndarray]) -> np.ndarray:
        lines = [f"plugin {node.op_type}"]
        for attribute in node.attribute:
            if attribute.name not in plugins.ATTRIBUTES:
                value = helper.get_attribute_value(attribute)
                text = value.decode() if isinstance(value, bytes) else words(value)
                lines.append(f"attribute {attribute.name} {TYPES.get(attribute.type, 'int32')} {text}")
        for number, array in enumerate(inputs):
            array.tofile(folder / f"{number}.bin")
            lines.append(f"input {array.dtype} linear {'x'.join(map(str, array.shape))} {number}.bin")
        shape, dtype = inputs[0].shape, inputs[0].dtype
        if node.op_type == LAYOUT_CONV.name:
            stride = next(a.ints[0] for a in node.attribute if a.name == "strides")
            n, height, width = shape
            shape = (n, inputs[1].shape[2], -(-height // stride), -(-width // stride))
            dtype = inputs[1].dtype
        if any(attribute.name == "y_scale" for attribute in node.attribute):
            dtype = np.dtype(np.int8)
        lines.append(f"output {dtype} linear {'x'.join(map(str, shape))} y.bin")
        (folder / "case.txt").write_text("\n".join(lines) + "\n")
        command = [version.folder / "plugin_harness", version.operator_library, folder]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert done.returncode == 0, f"{node.name}: {done.stdout}{done.stderr}"
        return np.fromfile(folder / "y.bin", dtype).reshape(shape)

    return compute


def picture(model: onnx.ModelProto, arguments: dict[str, np.ndarray], compute: Compute) -> np.ndarray:
    """The file's image, all of whose plugins are computed by ``compute``."""
    assert violations(model) == []
    image, computed = run_placed_file(model, arguments, compute)
    assert computed == [node.name for node in model.graph.node if node.domain]
    assert len(computed) > 10
    return image


def on_onnxruntime(model: onnx.ModelProto, arguments: dict[str, np.ndarray], folder: Path) -> np.ndarray:
    save_model(for_onnxruntime(model), folder / "model.onnx")
    with Session(folder / "model.onnx", threads=1) as session:
        return session.run(**arguments)["image"]


def signal_to_noise(image: np.ndarray, expected: np.ndarray) -> float:
    """In dB; the signal is what differs from the mean color."""
    noise = np.mean((image.astype(float) - expected) ** 2)
    return float(10 * np.log10(np.var(expected) / noise))


def test_a_file_in_fp16_gives_the_picture_of_float32(network, by_kernels, tmp_path) -> None:
    arguments = network.arguments[0]
    image = picture(network.in_half(), arguments, by_kernels)
    assert signal_to_noise(image, on_onnxruntime(network.lowered, arguments, tmp_path)) > 28


def test_a_file_in_8_bits_gives_the_picture_of_its_levels(network, by_kernels, tmp_path) -> None:
    model, arguments = network.in_8_bits(), network.arguments[0]
    assert {node.op_type for node in model.graph.node if node.domain} == {
        LAYOUT_CONV.name,
        QUANTIZED_PREDICTED_CONV.name,
    }
    image = picture(model, arguments, by_kernels)
    assert signal_to_noise(image, on_onnxruntime(model, arguments, tmp_path)) > 20
    assert signal_to_noise(image, on_onnxruntime(network.lowered, arguments, tmp_path)) > 20


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_plugins_give_the_picture_of_the_kernels(network, precision, by_kernels, by_plugins) -> None:
    model = network.in_half() if precision == "fp16" else network.in_8_bits()
    arguments = network.arguments[0]
    expected = picture(model, arguments, by_kernels)
    np.testing.assert_array_equal(picture(model, arguments, by_plugins), expected)
