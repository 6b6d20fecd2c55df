"""The native kernels, for every instruction set of this machine, against float64 numpy.

The instruction set is chosen once in a process, so each one computes all cases in a process of its own: this
file, run as a program.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import processor_isas
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.session import Session

ISAS = ("baseline", "avx2", "avx512", "avx512vnni")
ELEMENT_TYPES = {np.dtype("float32"): TensorProto.FLOAT, np.dtype("uint8"): TensorProto.UINT8}


@dataclass(frozen=True)
class Case:
    """One node, its arguments, and what it should give."""

    name: str
    op: str
    arguments: dict[str, np.ndarray]
    expected: Callable[[dict[str, np.ndarray]], np.ndarray]
    attributes: dict[str, Any] = field(default_factory=dict)
    constants: tuple[str, ...] = ()

    def inputs(self) -> dict[str, np.ndarray]:
        return {name: value for name, value in self.arguments.items() if name not in self.constants}

    def model(self) -> onnx.ModelProto:
        return make_model(self.op, self.arguments, self.constants, self.attributes)


def make_model(
    op: str,
    arguments: dict[str, np.ndarray],
    constants: tuple[str, ...] = (),
    attributes: dict[str, Any] | None = None,
    *,
    dynamic: bool = False,
) -> onnx.ModelProto:
    node = helper.make_node(
        op,
        list(arguments),
        ["y"],
        domain="layoutrt",
        plugin_version="1",
        plugin_namespace="layoutrt",
        **(attributes or {}),
    )

    def shape(name: str, value: np.ndarray) -> list[str | int | None]:
        return [f"{name}_{i}" for i in range(value.ndim)] if dynamic else list(value.shape)

    inputs = [
        helper.make_tensor_value_info(name, ELEMENT_TYPES[value.dtype], shape(name, value))
        for name, value in arguments.items()
        if name not in constants
    ]
    graph = helper.make_graph(
        [node],
        op,
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(arguments[name], name) for name in constants],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("layoutrt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def spatially_varying_conv(a: dict[str, np.ndarray]) -> np.ndarray:
    x, w = a["x"].astype(np.float64), a["w"].astype(np.float64)
    n, c, height, width = x.shape
    taps = w.shape[1] // c
    k = int(taps**0.5)
    if "scale" in a:
        x = x * a["scale"][:, None, None].astype(np.float64) + a["shift"][:, None, None].astype(np.float64)
    padded = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    w = w.reshape(n, c, taps, height, width)
    y = np.zeros(x.shape)
    for t in range(taps):
        y += w[:, :, t] * padded[:, :, t // k : t // k + height, t % k : t % k + width]
    return y


def predicted_conv(a: dict[str, np.ndarray]) -> np.ndarray:
    h, weight = a["h"].astype(np.float64), a["weight"].astype(np.float64)
    p = weight.shape[2]
    height, width = h.shape[2:]
    padded = np.pad(h, ((0, 0), (0, 0), (p // 2, p // 2), (p // 2, p // 2)))
    w = a["bias"].astype(np.float64)[None, :, None, None] + sum(
        np.einsum("oj,njhw->nohw", weight[:, :, dy, dx], padded[:, :, dy : dy + height, dx : dx + width])
        for dy in range(p)
        for dx in range(p)
    )
    return spatially_varying_conv({**a, "w": w})


def layout_conv(a: dict[str, np.ndarray], stride: int) -> np.ndarray:
    labels, table = a["labels"], a["table"].astype(np.float64)
    k = int(table.shape[1] ** 0.5)
    height, width = labels.shape[1:]
    nothing = table.shape[0]
    rows = np.concatenate([table, np.zeros((1, *table.shape[1:]))])
    padded = np.pad(
        np.minimum(labels.astype(int), nothing),
        ((0, 0), (k // 2, k // 2), (k // 2, k // 2)),
        constant_values=nothing,
    )
    y = sum(rows[padded[:, t // k : t // k + height, t % k : t % k + width], t] for t in range(k * k))
    return (y + a["bias"])[:, ::stride, ::stride].transpose(0, 3, 1, 2)


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def layout(seed: int, n: int, height: int, width: int, labels: int) -> np.ndarray:
    """Regions with a few single pixels, as label maps have them; some labels are unknown."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, labels, (n, height // 9 + 1, width // 13 + 1))
    whole = cells.repeat(9, axis=1).repeat(13, axis=2)[:, :height, :width]
    noise = rng.random(whole.shape)
    whole = np.where(noise < 0.03, rng.integers(0, labels, whole.shape), whole)
    return np.where(noise > 0.99, 255, whole).astype(np.uint8)


def affine(channels: int) -> dict[str, np.ndarray]:
    return {"scale": floats(5, channels), "shift": floats(6, channels)}


def cases() -> dict[str, Case]:
    made: list[Case] = []
    for n, c, height, width, k in [
        (1, 1, 1, 1, 3),
        (1, 1, 1, 37, 3),
        (2, 3, 37, 1, 3),
        (3, 5, 7, 9, 3),
        (1, 2, 16, 16, 3),
        (2, 3, 33, 70, 3),
        (1, 2, 3, 3000, 3),
        (1, 3, 6, 11, 1),
        (1, 3, 6, 11, 5),
        (1, 2, 2, 3, 7),
        (1, 2, 90, 200, 3),
    ]:
        for with_affine in (False, True):
            arguments = {"x": floats(1, n, c, height, width), "w": floats(2, n, c * k * k, height, width)}
            if with_affine:
                arguments |= affine(c)
            name = f"SpatiallyVaryingConv-{n}x{c}x{height}x{width}-k{k}{'-affine' * with_affine}"
            made.append(Case(name, "SpatiallyVaryingConv", arguments, spatially_varying_conv))
    for n, height, width, channels, labels, k, constant in [
        (1, 1, 1, 1, 1, 3, True),
        (1, 1, 41, 17, 4, 3, True),
        (2, 23, 1, 64, 4, 3, True),
        (3, 19, 31, 65, 9, 3, True),
        (1, 64, 96, 130, 35, 3, True),
        (1, 64, 96, 24, 35, 3, False),
        (1, 9, 17, 5, 256, 1, True),
        (1, 14, 17, 20, 6, 5, True),
        (2, 5, 6, 33, 6, 7, True),
    ]:
        for stride in (1, 2):
            name = f"LayoutConv-{n}x{height}x{width}-c{channels}-k{k}-s{stride}{'' if constant else '-input'}"
            arguments = {
                "labels": layout(3, n, height, width, labels),
                "table": floats(4, labels, k * k, channels),
                "bias": floats(5, channels),
            }
            made.append(
                Case(
                    name,
                    "LayoutConv",
                    arguments,
                    functools.partial(layout_conv, stride=stride),
                    {"strides": [stride, stride]},
                    ("table", "bias") if constant else (),
                )
            )
    for n, c, height, width, j, p, constant in [
        (1, 1, 1, 1, 1, 1, True),
        (1, 1, 1, 1, 1, 3, True),
        (1, 3, 1, 50, 5, 3, True),
        (2, 2, 29, 1, 3, 3, True),
        (3, 5, 7, 9, 4, 1, True),
        (3, 5, 7, 9, 4, 3, False),
        (1, 4, 33, 100, 8, 3, True),
        (1, 4, 33, 100, 8, 1, False),
        (1, 2, 4, 1100, 3, 3, True),
        (1, 1, 10, 150, 512, 1, True),
        (1, 70, 4, 4, 2, 3, True),
    ]:
        for with_affine in (False, True):
            arguments = {
                "x": floats(1, n, c, height, width),
                "h": floats(2, n, j, height, width),
                "weight": floats(3, c * 9, j, p, p),
                "bias": floats(4, c * 9),
            }
            if with_affine:
                arguments |= affine(c)
            name = (
                f"PredictedConv-{n}x{c}x{height}x{width}-j{j}-p{p}"
                f"{'-affine' * with_affine}{'' if constant else '-input'}"
            )
            constants = ("weight", "bias") if constant else ()
            made.append(Case(name, "PredictedConv", arguments, predicted_conv, {}, constants))
    return {case.name: case for case in made}


CASES = cases()


def onnxruntime_session(model: str | bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.register_custom_ops_library(str(native_bindings.operator_library()))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def compute_all(directory: Path) -> dict[str, dict[str, np.ndarray]]:
    """Every case in the native session with 1, 2 and 5 threads, and in the Python package of ONNX Runtime."""
    results = {}
    for name, case in CASES.items():
        model = directory / f"{name}.onnx"
        onnx.save(case.model(), model)
        results[name] = {
            f"{threads} threads": Session(model, threads=threads).run(**case.inputs())["y"]
            for threads in (1, 2, 5)
        }
        results[name]["onnxruntime"] = onnxruntime_session(str(model)).run(None, case.inputs())[0]
    return results


@functools.cache
def results_of(isa: str) -> tuple[str, dict[str, dict[str, np.ndarray]]]:
    processor_isas.require(isa)
    environment = {**os.environ, "LAYOUTRT_ISA": isa}
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, __file__, directory], check=True, env=environment, timeout=120)
        results: dict[str, dict[str, np.ndarray]] = {}
        with np.load(Path(directory, "results.npz"), allow_pickle=False) as arrays:
            for key in arrays.files:
                case, _, runner = key.partition("|")
                results.setdefault(case, {})[runner] = arrays[key]
        return str(results.pop("simd")[""]), results


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("isa", ISAS)
def test_kernel_equals_the_definition_whatever_runs_it(isa: str, name: str) -> None:
    simd, results = results_of(isa)
    assert simd == processor_isas.NAMES[isa]
    case = CASES[name]
    result = results[name]["1 threads"]
    expected = case.expected(case.arguments)
    assert result.shape == expected.shape
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())
    for other in ("2 threads", "5 threads", "onnxruntime"):
        assert np.array_equal(result, results[name][other]), other


@pytest.mark.parametrize("stride", [1, 2])
def test_unknown_labels_contribute_nothing(tmp_path: Path, stride: int) -> None:
    arguments = {
        "labels": np.full((1, 20, 20), 7, np.uint8),
        "table": floats(1, 7, 9, 10),
        "bias": floats(2, 10),
    }
    model = tmp_path / "model.onnx"
    onnx.save(make_model("LayoutConv", arguments, ("table", "bias"), {"strides": [stride, stride]}), model)
    y = Session(model).run(labels=arguments["labels"])["y"]
    assert np.array_equal(y, np.broadcast_to(arguments["bias"][None, :, None, None], y.shape))


@pytest.mark.parametrize(
    "name",
    [
        "SpatiallyVaryingConv-1x2x90x200-k3-affine",
        "LayoutConv-1x64x96-c24-k3-s2-input",
        "LayoutConv-1x64x96-c130-k3-s1",
        "PredictedConv-1x4x33x100-j8-p3",
    ],
)
def test_dynamic_shapes_give_the_same_result(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    model = tmp_path / "model.onnx"
    onnx.save(make_model(case.op, case.arguments, case.constants, case.attributes, dynamic=True), model)
    session = Session(model)
    y = session.run(**case.inputs())["y"]
    expected = case.expected(case.arguments)
    np.testing.assert_allclose(y, expected, rtol=2e-5, atol=2e-5 * np.abs(expected).max())


def test_runs_from_several_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    case = CASES["PredictedConv-1x4x33x100-j8-p3"]
    model = tmp_path / "model.onnx"
    onnx.save(case.model(), model)
    ours, theirs = Session(model, threads=2), onnxruntime_session(str(model), threads=2)
    wanted = {}
    inputs = {}
    for seed in range(4):
        inputs[seed] = {name: floats(seed, *value.shape) for name, value in case.inputs().items()}
        wanted[seed] = ours.run(**inputs[seed])["y"]
    wrong = []

    def work(seed: int) -> None:
        for _ in range(20):
            if not np.array_equal(ours.run(**inputs[seed])["y"], wanted[seed]):
                wrong.append(("ours", seed))
            # Unlike ours, this session runs its calls at the same time.
            if not np.array_equal(theirs.run(None, inputs[seed])[0], wanted[seed]):
                wrong.append(("theirs", seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


X, W9 = floats(1, 1, 64, 4, 4), floats(2, 1, 576, 4, 4)
H, WEIGHT, BIAS = floats(3, 1, 8, 4, 4), floats(4, 576, 8, 3, 3), floats(5, 576)
LABELS, TABLE = np.zeros((1, 4, 4), np.uint8), floats(6, 5, 9, 8)


@pytest.mark.parametrize(
    ("op", "arguments", "attributes", "sentence"),
    [
        (
            "SpatiallyVaryingConv",
            {"x": X, "w": W9[:, :500]},
            {},
            "SpatiallyVaryingConv: w must be [N, C*k*k, H, W] = [1, 576, 4, 4] "
            "(k = 3; k may be 1, 3, 5 or 7), got [1, 500, 4, 4]",
        ),
        (
            "SpatiallyVaryingConv",
            {"x": X, "w": W9[:, :, :3]},
            {},
            "SpatiallyVaryingConv: w must be [N, C*k*k, H, W] = [1, 576, 4, 4], got [1, 576, 3, 4]",
        ),
        (
            "SpatiallyVaryingConv",
            {"x": X[0], "w": W9},
            {},
            "SpatiallyVaryingConv: x must be [N, C, H, W], got [64, 4, 4]",
        ),
        (
            "SpatiallyVaryingConv",
            {"x": X, "w": W9, "scale": floats(1, 3), "shift": floats(1, 64)},
            {},
            "SpatiallyVaryingConv: scale must be [C] = [64], got [3]",
        ),
        (
            "SpatiallyVaryingConv",
            {"x": X, "w": W9, "scale": floats(1, 64)},
            {},
            "SpatiallyVaryingConv: scale and shift must both be given or both be absent",
        ),
        (
            "LayoutConv",
            {"labels": LABELS[0], "table": TABLE, "bias": floats(1, 8)},
            {},
            "LayoutConv: labels must be [N, H, W], got [4, 4]",
        ),
        (
            "LayoutConv",
            {"labels": LABELS, "table": TABLE, "bias": floats(1, 7)},
            {},
            "LayoutConv: bias must be [C] = [8], got [7]",
        ),
        (
            "LayoutConv",
            {"labels": LABELS, "table": TABLE[:, :4], "bias": floats(1, 8)},
            {},
            "LayoutConv: table must be [L, k*k, C] with k = 1, 3, 5 or 7 and 1 to 256 labels, got [5, 4, 8]",
        ),
        (
            "LayoutConv",
            {"labels": LABELS, "table": TABLE, "bias": floats(1, 8)},
            {"strides": [1, 3]},
            "LayoutConv: strides must be [1, 1] or [2, 2], got [1, 3]",
        ),
        (
            "PredictedConv",
            {"x": X, "h": H[:, :, :3], "weight": WEIGHT, "bias": BIAS},
            {},
            "PredictedConv: h must be [N, J, H, W] = [1, ?, 4, 4], got [1, 8, 3, 4]",
        ),
        (
            "PredictedConv",
            {"x": X, "h": H, "weight": floats(1, 576, 8, 5, 5), "bias": BIAS},
            {},
            "PredictedConv: weight must be [C*k*k, J, p, p] with k = 3 and p = 1 or 3, got [576, 8, 5, 5]",
        ),
        (
            "PredictedConv",
            {"x": X, "h": H[:, :7], "weight": WEIGHT, "bias": BIAS},
            {},
            "PredictedConv: weight must be [C*k*k, J, p, p] = [576, 7, 3, 3], got [576, 8, 3, 3]",
        ),
        (
            "PredictedConv",
            {"x": X, "h": H, "weight": WEIGHT, "bias": BIAS[:9]},
            {},
            "PredictedConv: bias must be [C*k*k] = [576], got [9]",
        ),
    ],
)
@pytest.mark.parametrize("constant", [False, True])
def test_a_wrong_shape_is_a_sentence(
    tmp_path: Path,
    op: str,
    arguments: dict[str, np.ndarray],
    attributes: dict[str, Any],
    sentence: str,
    constant: bool,
) -> None:
    constants = tuple(name for name in ("table", "weight", "bias") if name in arguments) if constant else ()
    model = tmp_path / "model.onnx"
    onnx.save(make_model(op, arguments, constants, attributes), model)
    with pytest.raises(LayoutRTError) as caught:
        Session(model).run(**{name: value for name, value in arguments.items() if name not in constants})
    assert sentence in str(caught.value)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    simd_name = native_bindings.load().lrt_simd().decode()
    computed = {
        f"{case}|{runner}": array
        for case, results in compute_all(target).items()
        for runner, array in results.items()
    }
    np.savez(target / "results.npz", **{"simd": np.array(simd_name)}, **computed)
