"""The native GatedPredictedConv, for every instruction set of this machine, against float64 numpy.

As in test_native_operators.py, each instruction set computes all cases in a process of its own: this file,
run as a program.
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
from onnx import TensorProto, helper, numpy_helper

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.session import Session

ISAS = ("baseline", "avx2", "avx512")
NAMES = (
    *("x", "h", "weight", "bias", "scale", "shift", "mix", "mix_bias"),
    *("gate_h", "gate_weight", "gate_bias", "residual"),
)
Arguments = dict[str, np.ndarray]


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def arguments(
    n: int, c: int, o: int, j: int, g: int | None, height: int, width: int, *, number: bool = False
) -> Arguments:
    """``g`` None: the gate is predicted from h itself."""
    gate = j if g is None else g
    made = {
        "x": floats(1, n, c, height, width),
        "h": floats(2, n, j, height, width),
        "weight": floats(3, c * 9, j, 1, 1),
        "bias": floats(4, c * 9),
        "scale": floats(5, c),
        "shift": floats(6, c),
        "mix": floats(7, o, c, 1, 1) / np.float32(c**0.5),
        "mix_bias": floats(8, o),
        "gate_h": floats(9, n, gate, height, width),
        "gate_weight": floats(10, o, gate, 1, 1),
        "gate_bias": floats(11, o),
        "residual": np.full((1, 1, 1, 1), 0.25, np.float32) if number else floats(12, n, o, height, width),
    }
    if g is None:
        made["gate_h"] = made["h"]
    return made


CASES = {
    "one pixel": arguments(1, 1, 1, 1, 1, 1, 1),
    "one row": arguments(1, 3, 5, 2, None, 1, 50),
    "one column": arguments(2, 2, 3, 3, None, 29, 1),
    "narrower than a vector": arguments(3, 5, 9, 4, None, 13, 7),
    "more channels out than in": arguments(1, 6, 19, 8, None, 9, 33),
    "fewer channels out than in": arguments(1, 21, 8, 8, None, 9, 32, number=True),
    "the gate has its own features": arguments(2, 8, 16, 5, 7, 11, 30),
    "as many features in both, not the same": arguments(2, 8, 16, 5, 5, 11, 30),
    "blocks that end within rows": arguments(1, 4, 4, 33, None, 47, 101),
    "many parts": arguments(2, 3, 2, 2, None, 90, 70, number=True),
    "weights beyond the cache": arguments(1, 130, 96, 3, None, 6, 8),
}


def expected(a: Arguments, alpha: float) -> np.ndarray:
    a = {name: value.astype(np.float64) for name, value in a.items()}
    n, c, height, width = a["x"].shape
    x = a["x"] * a["scale"][:, None, None] + a["shift"][:, None, None]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    w = np.einsum("oj,njhw->nohw", a["weight"][..., 0, 0], a["h"]) + a["bias"][:, None, None]
    w = w.reshape(n, c, 9, height, width)
    d = sum(w[:, :, t] * padded[:, :, t // 3 : t // 3 + height, t % 3 : t % 3 + width] for t in range(9))
    mixed = np.einsum("oc,nchw->nohw", a["mix"][..., 0, 0], d) + a["mix_bias"][:, None, None]
    logit = np.einsum("og,nghw->nohw", a["gate_weight"][..., 0, 0], a["gate_h"])
    product = mixed / (1 + np.exp(-logit - a["gate_bias"][:, None, None]))
    return a["residual"] + np.where(product > 0, product, alpha * product)


def make_model(a: Arguments, alpha: float | None = None, *, constant: bool, shared: bool) -> onnx.ModelProto:
    """``constant``: the weights are part of the model. ``shared``: h is the gate's input as well."""
    given = {name: value for name, value in a.items() if not (shared and name == "gate_h")}
    constants = [name for name in given if name not in ("x", "h", "gate_h", "residual")] if constant else []
    names = ["h" if shared and name == "gate_h" else name for name in NAMES]
    attributes = {} if alpha is None else {"alpha": alpha}
    graph = helper.make_graph(
        [helper.make_node("GatedPredictedConv", names, ["y"], domain="layoutrt", **attributes)],
        "one_operator",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in given.items()
            if name not in constants
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(a[name], name) for name in constants],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("layoutrt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(
    a: Arguments,
    folder: Path,
    *,
    threads: int = 1,
    alpha: float | None = None,
    constant: bool = True,
    shared: bool | None = None,
) -> np.ndarray:
    shared = a["gate_h"] is a["h"] if shared is None else shared
    model = make_model(a, alpha, constant=constant, shared=shared)
    path = folder / "model.onnx"
    onnx.save(model, path)
    taken = {info.name for info in model.graph.input}
    with Session(path, threads=threads) as session:
        return session.run(**{name: value for name, value in a.items() if name in taken})["y"]


@functools.cache
def results_of(isa: str) -> tuple[str, dict[str, np.ndarray]]:
    processor_isas.require(isa)
    environment = {**os.environ, "LAYOUTRT_ISA": isa}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, folder], check=True, env=environment, timeout=120)
        with np.load(Path(folder, "results.npz"), allow_pickle=False) as arrays:
            results = {name: arrays[name] for name in arrays.files}
    return str(results.pop("simd")), results


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("isa", ISAS)
def test_kernel_equals_the_definition_whatever_runs_it(isa: str, name: str) -> None:
    simd, results = results_of(isa)
    assert simd == processor_isas.NAMES[isa]
    wanted = expected(CASES[name], 0.2)
    assert results[name].shape == wanted.shape
    np.testing.assert_allclose(results[name], wanted, rtol=2e-5, atol=2e-5 * np.abs(wanted).max())
    for threads in (2, 5):
        assert np.array_equal(results[name], results[f"{name}|{threads}"]), threads


def test_features_given_twice_count_as_the_same_features(tmp_path: Path) -> None:
    a = CASES["blocks that end within rows"]
    assert np.array_equal(run(a, tmp_path, shared=True), run(a, tmp_path, shared=False))


def test_weights_may_be_inputs_and_the_slope_is_an_attribute(tmp_path: Path) -> None:
    a = CASES["narrower than a vector"]
    for alpha in (0.0, 0.7):
        wanted = expected(a, alpha)
        found = run(a, tmp_path, alpha=alpha, constant=False)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5 * np.abs(wanted).max())


def test_the_gate_keeps_its_precision_where_it_is_nearly_closed_or_open(tmp_path: Path) -> None:
    logits = np.concatenate([np.linspace(-86, 30, 600), [-200.0, -1e30, 88.0, 200.0, 1e30]])
    a = arguments(1, 1, 1, 1, 1, 1, logits.size, number=True)
    for name in ("x", "mix", "gate_bias", "residual"):
        a[name] = np.zeros_like(a[name])
    a["mix_bias"] = np.ones(1, np.float32)
    a["gate_weight"] = np.ones((1, 1, 1, 1), np.float32)
    a["gate_h"] = logits.astype(np.float32).reshape(1, 1, 1, -1)
    gate = run(a, tmp_path, shared=False).ravel()
    wanted = 1 / (1 + np.exp(-np.clip(a["gate_h"].ravel().astype(np.float64), -700, 700)))
    np.testing.assert_allclose(gate[:600], wanted[:600], rtol=1e-6, atol=0)
    np.testing.assert_allclose(gate[600:], wanted[600:], rtol=1e-6, atol=2e-38)


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        ("x", (2, 8, 330), "x must be [N, C, H, W], got [2, 8, 330]"),
        ("h", (2, 5, 11, 29), "h must be [N, J, H, W] = [2, ?, 11, 30], got [2, 5, 11, 29]"),
        ("weight", (72, 5, 3, 3), "weight must be [C*9, J, 1, 1] = [72, 5, 1, 1], got [72, 5, 3, 3]"),
        ("bias", (8,), "bias must be [C*9] = [72], got [8]"),
        ("scale", (7,), "scale must be [C] = [8], got [7]"),
        ("shift", (9,), "shift must be [C] = [8], got [9]"),
        ("mix", (16, 7, 1, 1), "mix must be [O, C, 1, 1] = [?, 8, 1, 1], got [16, 7, 1, 1]"),
        ("mix_bias", (15,), "mix_bias must be [O] = [16], got [15]"),
        ("gate_h", (1, 7, 11, 30), "gate_h must be [N, G, H, W] = [2, ?, 11, 30], got [1, 7, 11, 30]"),
        ("gate_weight", (16, 6, 1, 1), "gate_weight must be [O, G, 1, 1] = [16, 7, 1, 1], got [16, 6, 1, 1]"),
        ("gate_bias", (1,), "gate_bias must be [O] = [16], got [1]"),
        (
            "residual",
            (2, 8, 11, 30),
            "residual must be [1, 1, 1, 1] or [N, O, H, W] = [2, 16, 11, 30], got [2, 8, 11, 30]",
        ),
    ],
)
def test_a_wrong_shape_is_a_sentence(
    tmp_path: Path, name: str, shape: tuple[int, ...], sentence: str
) -> None:
    wrong = {**CASES["the gate has its own features"], name: floats(1, *shape)}
    with pytest.raises(LayoutRTError) as caught:
        run(wrong, tmp_path, constant=False)
    assert f"GatedPredictedConv: {sentence}" in str(caught.value)


def main(folder: Path) -> None:
    results = {"simd": np.array(native_bindings.load().lrt_simd().decode())}
    for name, case in CASES.items():
        results[name] = run(case, folder)
        for threads in (2, 5):
            results[f"{name}|{threads}"] = run(case, folder, threads=threads)
    np.savez(folder / "results.npz", **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
