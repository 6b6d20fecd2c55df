"""`PredictedConv` with 3x3 predictors at shapes that Winograd's algorithm computes, against float64.

The instruction set is chosen once in a process, so each one computes all cases in a process of its own: this
file, run as a program.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import processor_isas
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.session import Session

ISAS = ("baseline", "avx2", "avx512")
THREADS = (1, 2, 5)

Arguments = dict[str, NDArray[np.float32]]


def floats(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def arguments(n: int, c: int, height: int, width: int, j: int, *, affine: bool = False) -> Arguments:
    made = {
        "x": floats(1, n, c, height, width),
        "h": floats(2, n, j, height, width),
        "weight": floats(3, c * 9, j, 3, 3) / np.float32(3 * j**0.5),
        "bias": floats(4, c * 9),
    }
    return made | {"scale": floats(5, c), "shift": floats(6, c)} if affine else made


def far_from_zero() -> Arguments:
    """Features as far from zero as a missing norm leaves them."""
    made = arguments(1, 3, 21, 26, 64)
    return made | {"h": made["h"] + np.float32(100)}


def alternating() -> Arguments:
    """Signs and magnitudes that the transforms amplify the most."""
    made = arguments(1, 3, 21, 26, 64)
    rows, columns = np.indices((21, 26))
    kernel = np.array([1, -1, 1], np.float32)
    return made | {
        "h": np.abs(made["h"]) * np.where((rows + columns) % 2, -1000, 1000).astype(np.float32),
        "weight": np.abs(made["weight"]) * (kernel[:, None] * kernel),
    }


CASES = {
    "whole tiles": arguments(1, 3, 12, 12, 16),
    "one row more": arguments(1, 3, 13, 12, 16),
    "batch with affine": arguments(2, 5, 14, 31, 20, affine=True),
    "several vectors in a row of tiles": arguments(1, 2, 10, 203, 17, affine=True),
    "less than a tile high": arguments(1, 2, 3, 130, 16),
    "one pixel high": arguments(3, 2, 1, 33, 16, affine=True),
    "one pixel wide": arguments(1, 2, 130, 1, 16, affine=True),
    "several parts": arguments(1, 4, 67, 70, 33, affine=True),
    "channels in parts": arguments(1, 70, 15, 17, 40, affine=True),
    "far from zero": far_from_zero(),
    "alternating": alternating(),
}


def model(given: Arguments) -> onnx.ModelProto:
    node = helper.make_node("PredictedConv", list(given), ["y"], domain="layoutrt")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in given.items()
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("layoutrt", 1)]
    graph = helper.make_graph([node], "winograd", inputs, outputs)
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(given: Arguments, directory: Path, threads: int = 1) -> NDArray[np.float32]:
    path = directory / "model.onnx"
    onnx.save(model(given), path)
    return Session(path, threads=threads).run(**given)["y"]


def expected(given: Arguments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The operator in float64, and the sum of the magnitudes that each result adds up."""

    def compute(values: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        height, width = values["x"].shape[2:]

        def around(plane: NDArray[np.float64]) -> list[NDArray[np.float64]]:
            padded = np.pad(plane, ((0, 0), (0, 0), (1, 1), (1, 1)))
            return [padded[:, :, t // 3 : t // 3 + height, t % 3 : t % 3 + width] for t in range(9)]

        weight = values["weight"].reshape(*values["weight"].shape[:2], 9)
        kernels = values["bias"][:, None, None] + sum(
            np.einsum("oj,njhw->nohw", weight[:, :, t], h, optimize=True)
            for t, h in enumerate(around(values["h"]))
        )
        x = values["x"]
        if "scale" in values:
            x = x * values["scale"][:, None, None] + values["shift"][:, None, None]
        return sum(kernels[:, t::9] * neighbor for t, neighbor in enumerate(around(x)))

    exact = {name: value.astype(np.float64) for name, value in given.items()}
    return compute(exact), compute({name: np.abs(value) for name, value in exact.items()})


@functools.cache
def results_of(isa: str) -> tuple[str, dict[str, NDArray[np.float32]]]:
    processor_isas.require(isa)
    environment = {**os.environ, "LAYOUTRT_ISA": isa}
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, __file__, directory], check=True, env=environment, timeout=120)
        with np.load(Path(directory, "results.npz"), allow_pickle=False) as arrays:
            results = {key: arrays[key] for key in arrays.files}
    return str(results.pop("simd")), results


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("isa", ISAS)
def test_winograd_is_accurate_and_independent_of_threads(isa: str, name: str) -> None:
    simd, results = results_of(isa)
    assert simd == processor_isas.NAMES[isa]
    y = results[f"{name}|1"]
    exact, magnitude = expected(CASES[name])
    assert y.shape == exact.shape
    assert np.abs(y - exact).max() <= 2e-6 * magnitude.max()
    if name not in ("far from zero", "alternating"):
        assert np.abs(y - exact).max() <= 1e-5 * np.abs(exact).max()
    for threads in THREADS[1:]:
        assert np.array_equal(y, results[f"{name}|{threads}"]), threads


def test_a_channel_does_not_depend_on_those_computed_with_it(tmp_path: Path) -> None:
    given = CASES["channels in parts"]
    whole = run(given, tmp_path)
    for c in (0, 34, 69):
        alone = {name: value[:, c : c + 1] if name == "x" else value for name, value in given.items()}
        for name, rows in {"weight": 9, "bias": 9, "scale": 1, "shift": 1}.items():
            alone[name] = given[name][c * rows : (c + 1) * rows]
        assert np.array_equal(run(alone, tmp_path)[:, 0], whole[:, c])


if __name__ == "__main__":
    target = Path(sys.argv[1])
    computed = {
        f"{name}|{threads}": run(given, target, threads)
        for name, given in CASES.items()
        for threads in THREADS
    }
    simd_name = native_bindings.load().lrt_simd().decode()
    np.savez(target / "results.npz", **{"simd": np.array(simd_name)}, **computed)
