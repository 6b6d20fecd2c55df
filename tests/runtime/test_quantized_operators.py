"""The quantized kernels, for every instruction set of this machine, against float64 numpy.

The instruction set is chosen once in a process, so each one computes all cases in a process of its own: this
file, run as a program.
"""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import processor_isas
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.session import Session

ISAS = ("baseline", "avx2", "avx512", "avx512vnni")
if platform.machine() == "aarch64":
    ISAS = ("baseline", "dotprod")


@dataclass(frozen=True)
class Case:
    """One node, its arguments, and what it should give."""

    op: str
    arguments: dict[str, np.ndarray]
    attributes: dict[str, Any]
    expected: np.ndarray
    constants: tuple[str, ...] = ("weight", "bias")

    def inputs(self) -> dict[str, np.ndarray]:
        shared = self.arguments.get("gate_h") is self.arguments["h"]
        left_out = (*self.constants, *(["gate_h"] if shared else []))
        return {name: value for name, value in self.arguments.items() if name not in left_out}


def make_model(
    op: str, arguments: dict[str, np.ndarray], constants: tuple[str, ...], attributes: dict[str, Any]
) -> onnx.ModelProto:
    # An array given twice is one tensor with two uses.
    shared = arguments.get("gate_h") is arguments["h"]
    names = ["h" if shared and name == "gate_h" else name for name in arguments]
    node = helper.make_node(op, names, ["y"], domain="layoutrt", **attributes)
    inputs = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(value.dtype),
            [f"{name}_{i}" for i in range(value.ndim)],
        )
        for name, value in arguments.items()
        if name not in constants and name in names
    ]
    graph = helper.make_graph(
        [node],
        op,
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(arguments[name], name) for name in constants if name in arguments],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("layoutrt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def windows(plane: np.ndarray, size: int) -> list[np.ndarray]:
    height, width = plane.shape[2:]
    pad = size // 2
    padded = np.pad(plane, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    return [
        padded[:, :, dy : dy + height, dx : dx + width].astype(np.float64)
        for dy in range(size)
        for dx in range(size)
    ]


def quantized(value: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """The steps from 0.0 of the nearest level."""
    return np.clip(np.rint(value / np.float32(scale)), -zero_point, 255 - zero_point).astype(np.float64)


def predicted_conv(a: dict[str, np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    weight = a["weight"].astype(np.float64)
    p = weight.shape[2]
    channels = a["x"].shape[1]
    steps = quantized(a["h"], attributes["h_scale"], attributes["h_zero_point"])
    sums = sum(
        np.einsum("oj,njhw->nohw", weight[:, :, i // p, i % p], window)
        for i, window in enumerate(windows(steps, p))
    )
    step = np.repeat(np.float32(attributes["h_scale"]) * np.array(attributes["weight_scale"], np.float32), 9)
    w = sums * step[:, None, None].astype(np.float64) + a["bias"][:, None, None]
    x = a["x"].astype(np.float64)
    if "scale" in a:
        x = x * a["scale"][:, None, None] + a["shift"][:, None, None]
    taps = w.reshape(x.shape[0], channels, 9, *x.shape[2:])
    return sum(taps[:, :, t] * window for t, window in enumerate(windows(x, 3)))


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def int8(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def predicted_case(
    n: int, c: int, height: int, width: int, j: int, p: int, *, affine: bool, zero_point: int
) -> Case:
    arguments = {
        "x": floats(1, n, c, height, width),
        "h": floats(2, n, j, height, width),
        "weight": int8(3, c * 9, j, p, p),
        "bias": floats(4, c * 9),
    }
    if affine:
        arguments |= {"scale": floats(5, c), "shift": floats(6, c)}
    scales = [0.002 * (i % 7 + 1) for i in range(c)]
    attributes = {"h_scale": 0.013, "h_zero_point": zero_point, "weight_scale": scales}
    return Case("QuantizedPredictedConv", arguments, attributes, predicted_conv(arguments, attributes))


def exact_case(p: int) -> Case:
    """Whole numbers and steps that are powers of two: every float of the computation is exact."""
    arguments = {
        "x": whole(1, 1, 3, 9, 40),
        # Beyond both ends of the levels, and half-way between two.
        "h": np.random.default_rng(2).integers(-700, 700, (1, 7, 9, 40)).astype(np.float32) / 4,
        "weight": int8(3, 27, 7, p, p),
        "bias": whole(4, 27),
    }
    arguments["weight"][:9] = -128
    attributes = {"h_scale": 0.5, "h_zero_point": 128, "weight_scale": [1.0, 0.5, 2.0]}
    return Case("QuantizedPredictedConv", arguments, attributes, predicted_conv(arguments, attributes))


def gated(a: dict[str, np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    d = predicted_conv(a, attributes)
    d = quantized(d.astype(np.float32), attributes["mix_in_scale"], attributes["mix_in_zero_point"])
    gate_h = quantized(a["gate_h"], attributes["gate_h_scale"], attributes["gate_h_zero_point"])
    mix_step = np.float32(attributes["mix_in_scale"]) * np.array(attributes["mix_scale"], np.float32)
    gate_step = np.float32(attributes["gate_h_scale"]) * np.array(attributes["gate_weight_scale"], np.float32)
    mixed = np.einsum("oc,nchw->nohw", a["mix"][:, :, 0, 0].astype(np.float64), d)
    mixed = mixed * mix_step[:, None, None] + a["mix_bias"][:, None, None]
    logit = np.einsum("og,nghw->nohw", a["gate_weight"][:, :, 0, 0].astype(np.float64), gate_h)
    logit = logit * gate_step[:, None, None] + a["gate_bias"][:, None, None]
    product = mixed / (1 + np.exp(-logit))
    return a["residual"] + np.where(product > 0, product, attributes.get("alpha", 0.2) * product)


def gated_case(
    n: int, c: int, o: int, j: int, g: int | None, height: int, width: int, **attributes: Any
) -> Case:
    """``g`` None: h is the gate's input too. Everything before the sigmoid is exact in float32."""
    arguments = {
        "x": whole(1, n, c, height, width),
        "h": np.random.default_rng(2).integers(-40, 40, (n, j, height, width)).astype(np.float32) / 4,
        "weight": int8(3, c * 9, j, 1, 1) // 16,
        "bias": whole(4, c * 9),
        "scale": whole(5, c),
        "shift": whole(6, c),
        "mix": int8(7, o, c, 1, 1),
        "mix_bias": whole(8, o),
        "gate_h": whole(9, n, g or 1, height, width),
        "gate_weight": int8(10, o, g or j, 1, 1),
        "gate_bias": whole(11, o),
        "residual": whole(12, n, o, height, width),
    }
    if g is None:
        arguments["gate_h"] = arguments["h"]
    kept = {
        "h_scale": 0.5,
        "h_zero_point": 128,
        "weight_scale": [2.0 ** -(i % 3) for i in range(c)],
        "mix_in_scale": 4.0,
        "mix_in_zero_point": 120,
        "mix_scale": [2.0 ** -(i % 3 + 9) for i in range(o)],
        "gate_h_scale": 0.5,
        "gate_h_zero_point": 128,
        "gate_weight_scale": [2.0 ** -(i % 3 + 8) for i in range(o)],
    } | attributes
    constants = ("weight", "bias", "mix", "gate_weight")
    return Case("QuantizedGatedPredictedConv", arguments, kept, gated(arguments, kept), constants)


@functools.cache
def cases() -> dict[str, Case]:
    made = {}
    for n, c, height, width, j, p, zero_point in [
        (1, 1, 1, 1, 1, 1, 0),
        (1, 1, 1, 1, 1, 3, 255),
        (1, 3, 1, 50, 5, 3, 128),
        (2, 2, 29, 1, 3, 3, 7),
        (3, 5, 7, 9, 4, 1, 128),
        (1, 4, 33, 100, 8, 3, 0),
        (1, 4, 33, 100, 9, 1, 100),
        (1, 2, 4, 1100, 3, 3, 255),
        (1, 1, 10, 150, 512, 1, 60),
        (1, 70, 4, 4, 2, 3, 60),
        (1, 2, 20, 600, 130, 3, 100),
    ]:
        for affine in (False, True):
            name = f"{n}x{c}x{height}x{width}-j{j}-p{p}-z{zero_point}{'-affine' * affine}"
            made[name] = predicted_case(n, c, height, width, j, p, affine=affine, zero_point=zero_point)
    for p in (1, 3):
        made[f"exact-p{p}"] = exact_case(p)
    made |= {
        "gated, one pixel": gated_case(1, 1, 1, 1, 1, 1, 1),
        "gated by its own features": gated_case(3, 5, 9, 4, 7, 13, 7, alpha=0.5),
        "gated by h": gated_case(1, 21, 8, 6, None, 9, 35),
        "gated by h, quantized otherwise": gated_case(1, 8, 19, 6, None, 9, 35, gate_h_zero_point=100),
        "gated, many parts": gated_case(2, 33, 34, 32, None, 40, 70),
    }
    return made


def compute_all(directory: Path) -> dict[str, np.ndarray]:
    """Every case with 1, 2 and 5 threads."""
    results = {}
    for name, case in cases().items():
        model = directory / "model.onnx"
        onnx.save(make_model(case.op, case.arguments, case.constants, case.attributes), model)
        for threads in (1, 2, 5):
            results[f"{name}|{threads}"] = Session(model, threads=threads).run(**case.inputs())["y"]
    return results


@functools.cache
def results_of(isa: str) -> dict[str, np.ndarray]:
    processor_isas.require(isa)
    environment = {**os.environ, "LAYOUTRT_ISA": isa}
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, __file__, directory], check=True, env=environment, timeout=120)
        with np.load(Path(directory, "results.npz"), allow_pickle=False) as arrays:
            return dict(arrays)


@pytest.mark.parametrize("isa", ISAS)
def test_kernel_equals_the_definition_with_any_number_of_threads(isa: str) -> None:
    results = results_of(isa)
    assert str(results["simd"]) == processor_isas.NAMES[isa]
    for name, case in cases().items():
        result = results[f"{name}|1"]
        assert result.dtype == np.float32
        tolerance = 0 if name.startswith("exact") else 1e-5 * np.abs(case.expected).max()
        np.testing.assert_allclose(result, case.expected, rtol=0, atol=tolerance, err_msg=name)
        for threads in (2, 5):
            assert np.array_equal(result, results[f"{name}|{threads}"]), (name, threads)


def test_weights_may_be_inputs(tmp_path: Path) -> None:
    case = cases()["1x4x33x100-j8-p3-z0-affine"]
    onnx.save(make_model(case.op, case.arguments, (), case.attributes), tmp_path / "model.onnx")
    y = Session(tmp_path / "model.onnx").run(**case.arguments)["y"]
    np.testing.assert_allclose(y, case.expected, rtol=0, atol=1e-5 * np.abs(case.expected).max())


GOOD = {
    "x": floats(1, 1, 2, 4, 4),
    "h": floats(2, 1, 8, 4, 4),
    "weight": int8(3, 18, 8, 3, 3),
    "bias": floats(4, 18),
}
ATTRIBUTES = {"h_scale": 0.1, "h_zero_point": 3, "weight_scale": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("arguments", "attributes", "sentence"),
    [
        ({"weight": int8(3, 18, 8, 5, 5)}, {}, "weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3"),
        ({"weight": int8(3, 18, 3641, 3, 3)}, {}, "J*p*p must be at most 32768, got weight [18, 3641, 3, 3]"),
        ({"h": GOOD["h"][:, :7]}, {}, "weight must be [C*k*k, J, p, p] = [18, 7, 3, 3], got [18, 8, 3, 3]"),
        ({"h": GOOD["h"][:, :, :3]}, {}, "h must be [N, J, H, W] = [1, ?, 4, 4], got [1, 8, 3, 4]"),
        ({"bias": floats(4, 9)}, {}, "bias must be [C*k*k] = [18], got [9]"),
        ({"scale": floats(5, 3), "shift": floats(6, 2)}, {}, "scale must be [C] = [2], got [3]"),
        ({}, {"weight_scale": [0.1]}, "weight_scale must have one number for each of 2 channels, got 1"),
        ({}, {"weight_scale": [0.1, 0.0]}, "weight_scale must be positive numbers, but one of them is 0.0"),
        ({}, {"h_scale": -1.0}, "h_scale must be a positive number, got -1.0"),
        ({}, {"h_scale": None}, "h_scale must be a positive number, but is missing"),
        ({}, {"h_zero_point": 256}, "h_zero_point must be a whole number from 0 to 255, got 256"),
        ({}, {"h_zero_point": None}, "h_zero_point must be a whole number from 0 to 255, but is missing"),
    ],
)
@pytest.mark.parametrize("constant", [False, True])
def test_wrong_input_is_a_sentence(
    tmp_path: Path,
    arguments: dict[str, np.ndarray],
    attributes: dict[str, Any],
    sentence: str,
    constant: bool,
) -> None:
    given = GOOD | arguments
    kept = {name: value for name, value in (ATTRIBUTES | attributes).items() if value is not None}
    constants = ("weight", "bias") if constant else ()
    onnx.save(make_model("QuantizedPredictedConv", given, constants, kept), tmp_path / "model.onnx")
    with pytest.raises(LayoutRTError) as caught:
        Session(tmp_path / "model.onnx").run(**{k: v for k, v in given.items() if k not in constants})
    assert f"QuantizedPredictedConv: {sentence}" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "attributes", "sentence"),
    [
        ({"weight": int8(3, 27, 4, 3, 3)}, {}, "weight must be [C*k*k, J, p, p] with k = 3 and p = 1, got"),
        ({"mix": int8(7, 5, 4, 1, 1)}, {}, "mix must be [O, C, 1, 1] = [?, 3, 1, 1], got [5, 4, 1, 1]"),
        ({"gate_weight": int8(7, 5, 3, 1, 1)}, {}, "gate_weight must be [O, G, 1, 1] = [5, 4, 1, 1], got"),
        ({"mix_bias": floats(8, 4)}, {}, "mix_bias must be [O] = [5], got [4]"),
        ({"residual": floats(8, 1, 5, 6, 1)}, {}, "residual must be [1, 1, 1, 1] or [N, O, H, W] = "),
        ({}, {"mix_scale": [0.1] * 4}, "mix_scale must have one number for each of 5 channels, got 4"),
        ({}, {"gate_weight_scale": None}, "gate_weight_scale must have one number for each of 5 channels"),
        ({}, {"mix_in_scale": 0.0}, "mix_in_scale must be a positive number, got 0.0"),
        ({}, {"gate_h_zero_point": -1}, "gate_h_zero_point must be a whole number from 0 to 255, got -1"),
    ],
)
def test_wrong_input_of_the_gated_operator_is_a_sentence(
    tmp_path: Path, arguments: dict[str, np.ndarray], attributes: dict[str, Any], sentence: str
) -> None:
    case = gated_case(1, 3, 5, 4, None, 6, 7)
    given = case.arguments | arguments
    kept = {name: value for name, value in (case.attributes | attributes).items() if value is not None}
    onnx.save(make_model(case.op, given, case.constants, kept), tmp_path / "model.onnx")
    wrong = Case(case.op, given, kept, case.expected, case.constants)
    with pytest.raises(LayoutRTError) as caught:
        Session(tmp_path / "model.onnx").run(**wrong.inputs())
    assert f"QuantizedGatedPredictedConv: {sentence}" in str(caught.value)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    simd_name = native_bindings.load().lrt_simd().decode()
    np.savez(target / "results.npz", **{"simd": np.array(simd_name)}, **compute_all(target))
