"""The operator library for TensorRT on the real headers: what plugins answer, refuse and compute."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from layoutrt.operators import plugin_names, plugins
from layoutrt.operators.quantized_predicted_conv import QUANTIZED_PREDICTED_CONV
from tests.support.cuda import cases, launchers

NATIVE = Path(__file__).resolve().parents[3] / "runtime" / "native"

LIMIT = 100_000
"""Products of a case that the emulated kernels are quick with."""


def is_quick(case: cases.Case) -> bool:
    arrays = case.arrays
    if case.op == "LayoutConv":
        return bool(arrays["labels"].size * arrays["table"][0].size < LIMIT)
    if case.op == "SpatiallyVaryingConv":
        return bool(arrays["w"].size < LIMIT)
    return bool(arrays["x"].size * arrays["weight"][0].size < LIMIT)


CASES = [case for case in cases.ALL if is_quick(case)]


def write_case(folder: Path, op: str, arrays: dict[str, Any]) -> tuple[tuple[int, ...], np.dtype]:
    """A case of the harness (plugin_case.h); gives shape and type of its output."""
    folder.mkdir()
    lines = [f"plugin {op}"]
    if op == "LayoutConv":
        labels, table, stride = arrays["labels"].astype(np.int32), arrays["table"], arrays["stride"]
        inputs = {"labels": labels, "table": table, "bias": arrays["bias"]}
        lines.append(f"attribute strides int32 {stride} {stride}")
        n, height, width = labels.shape
        shape, dtype = (n, table.shape[2], -(-height // stride), -(-width // stride)), table.dtype
    else:
        names = ("x", "w") if op == "SpatiallyVaryingConv" else ("x", "h", "weight", "bias")
        inputs = {name: arrays[name] for name in (*names, "scale", "shift") if name in arrays}
        shape, dtype = arrays["x"].shape, arrays["x"].dtype
    if "weight" in inputs:
        lines.append("attribute weight_layout char OHWI")
    if op == "QuantizedPredictedConv":
        scales = " ".join(repr(float(scale)) for scale in arrays["weight_scale"])
        lines += [f"attribute h_scale float32 {arrays['h_scale']!r}", "attribute h_zero_point int32 128"]
        lines.append(f"attribute weight_scale float32 {scales}")
    y_order = "linear"
    if arrays.get("y_scale"):
        lines.append(f"attribute y_scale float32 {arrays['y_scale']!r}")
        dtype, y_order = np.dtype(np.int8), {"nchw": "linear", "nchw32": "chw32"}[arrays["y_order"]]
    for name, array in inputs.items():
        dims, order = array.shape, "linear"
        if name == "h" and arrays["layout"] != "nchw":
            # TensorRT tells the shape, whatever the order of the elements.
            (n, _, height, width), features = arrays["x"].shape, arrays["weight"].shape[3]
            dims, order = (n, features, height, width), arrays["layout"][1:]
        lines.append(f"input {array.dtype} {order} {'x'.join(map(str, dims))} {name}.bin")
        array.tofile(folder / f"{name}.bin")
    lines.append(f"output {dtype} {y_order} {'x'.join(map(str, shape))} y.bin")
    (folder / "case.txt").write_text("\n".join(lines) + "\n")
    return launchers.sizes(op, arrays)["shape"], dtype


def test_plugins_answer_and_refuse_as_the_kernels_do(
    versions: list[Any], run_program: Callable[..., str]
) -> None:
    for version in versions:
        assert " 0 failures" in run_program([version.folder / "test_plugins", version.operator_library])


def test_plugins_compute_the_operators_in_tensorrts_order_of_calls(
    versions: list[Any], run_program: Callable[..., str], tmp_path: Path
) -> None:
    assert {case.op for case in CASES} == set(plugin_names())
    features = [case.arrays for case in CASES if "h" in case.arrays]
    assert {arrays["layout"] for arrays in features} == {"nchw", "nhwc8", "nchw32"}
    assert any(arrays["h"].dtype == np.int8 for arrays in features)
    outputs = {}
    for number, case in enumerate(CASES):
        folder = tmp_path / str(number)
        outputs[case.name] = folder, *write_case(folder, case.op, case.arrays)
    folders = [folder for folder, _, _ in outputs.values()]
    assert len(folders) == len(CASES)
    for version in versions:
        for folder in folders:
            (folder / "y.bin").unlink(missing_ok=True)
        run_program([version.folder / "plugin_harness", version.operator_library, *folders])
        for case in CASES:
            folder, shape, dtype = outputs[case.name]
            made = np.fromfile(folder / "y.bin", dtype).reshape(shape)
            cases.compare(case, lambda op, arrays, made=made: made)


def test_a_case_that_tensorrt_would_refuse_fails(versions: list[Any], tmp_path: Path) -> None:
    case = next(case for case in CASES if case.op == "PredictedConv")
    write_case(tmp_path / "case", case.op, case.arrays)
    text = (tmp_path / "case" / "case.txt").read_text()
    (tmp_path / "case" / "case.txt").write_text(text.replace("OHWI", "OIHW"))
    command = [versions[0].folder / "plugin_harness", versions[0].operator_library, tmp_path / "case"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 1
    assert "not created for the build" in result.stdout
    assert "weight_layout' must be 'OHWI'" in result.stderr


def test_the_library_needs_nothing_of_tensorrt_and_shows_only_its_entry_points(versions: list[Any]) -> None:
    for version in versions:
        names = {}
        for kind in ("--defined-only", "--undefined-only"):
            command = ["nm", "-D", kind, str(version.operator_library)]
            listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            names[kind] = {line.split()[-1] for line in listing.splitlines()}
        exported = {"getCreators", "setLoggerFinder"}
        exported |= {f"lrt_trt_{name}" for name in ("version", "tensorrt_major", "tensorrt_version")}
        assert names["--defined-only"] == exported
        assert not [name for name in names["--undefined-only"] if "nvinfer" in name]


@pytest.mark.parametrize("plugin", plugin_names())
def test_plugins_name_the_attributes_that_the_files_carry(plugin: str, lowered_nodes: dict[str, Any]) -> None:
    """TensorRT's parser hands on the attributes that a creator names, and nothing else."""
    source = (NATIVE / "tensorrt" / "plugins" / f"{_snake(plugin)}.cpp").read_text()
    shared = (NATIVE / "tensorrt" / "plugins" / "predicted_kernels.h").read_text()
    constants = dict(re.findall(r'constexpr const char\* (k\w+) = "(\w+)"', source + shared))
    named = {constants[name] for name in re.findall(r"PluginField\((k\w+), nullptr", source)}
    if plugin == QUANTIZED_PREDICTED_CONV.name:
        assert named == {"weight_layout", "h_scale", "h_zero_point", "weight_scale", "y_scale"}
    elif plugin in lowered_nodes:
        carried = {attribute.name for attribute in lowered_nodes[plugin].attribute}
        assert named == carried - set(plugins.ATTRIBUTES)
    else:
        assert named == set()


@pytest.fixture(scope="module")
def lowered_nodes() -> dict[str, onnx.NodeProto]:
    """A node of each plugin that a float file for TensorRT has."""
    from layoutrt.calib.trt.lowering import lower
    from layoutrt.calib.trt.weight_layout import to_ohwi
    from layoutrt.models import resolve_model

    lowered = to_ohwi(lower(onnx.load(resolve_model("camvid-edge"))))
    return {node.op_type: node for node in lowered.graph.node if node.domain}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
