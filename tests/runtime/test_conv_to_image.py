"""The native ConvToImage, for every instruction set of this machine, against float64 numpy.

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

ISAS = ("baseline", "avx2", "avx512", "avx512vnni")
NAMES = ("x", "weight", "bias", "y")
Arguments = dict[str, np.ndarray]


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def arguments(n: int, c: int, d: int, height: int, width: int) -> Arguments:
    """``d`` 0: without y. Sums have a standard deviation of one, so bytes take every value."""
    made = {
        "x": floats(1, n, c, height, width),
        "weight": floats(2, 3, c + d, 3, 3) / np.float32(3 * (c + d) ** 0.5),
        "bias": floats(3, 3) / 4,
    }
    return made | {"y": floats(4, n, d, height, width)} if d else made


def graded() -> Arguments:
    """The three sums of pixel i are its value times 1, -1 and 2: from -24 to 24, and far beyond."""
    weight = np.zeros((3, 1, 3, 3), np.float32)
    weight[:, 0, 1, 1] = 1, -1, 2
    steps = np.linspace(-12, 12, 20001)
    far = [0.0, -0.0, 44, -44, 89, -89, 1e30, -1e30, 3e38, -3e38]
    values = np.concatenate([steps, steps / 1000, far])
    x = values.astype(np.float32).reshape(1, 1, 1, -1)
    return {"x": x, "weight": weight, "bias": np.zeros(3, np.float32)}


CASES = {
    "one pixel": arguments(1, 1, 0, 1, 1),
    "one row": arguments(1, 3, 0, 1, 50),
    "one column": arguments(2, 2, 1, 29, 1),
    "narrower than a vector": arguments(3, 5, 2, 13, 3),
    "one pixel beyond a vector": arguments(1, 1, 1, 5, 17),
    "whole vectors": arguments(1, 8, 16, 12, 64),
    "a row short of a group": arguments(1, 7, 0, 11, 33),
    "many channels": arguments(1, 60, 5, 7, 30),
    "many parts": arguments(2, 2, 1, 90, 70),
    "wider than a tile": arguments(2, 3, 2, 8, 1100),
    "channels beyond the cache, narrow tiles": arguments(1, 300, 0, 8, 200),
    "every level": graded(),
}


def expected(a: Arguments) -> np.ndarray:
    """The levels before they are rounded, float64 [N, H, W, 3]."""
    x = np.concatenate([a["x"], a["y"]], 1) if "y" in a else a["x"]
    height, width = x.shape[2:]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    weight = a["weight"].astype(np.float64)
    with np.errstate(invalid="ignore"):
        taps = [
            np.tensordot(padded[:, :, t // 3 : t // 3 + height, t % 3 : t % 3 + width], w, (1, 1))
            for t in range(9)
            if (w := weight[:, :, t // 3, t % 3]).any()
        ]
    return np.tanh(sum(taps) + a["bias"]) * 127.5 + 127.5


def make_model(a: Arguments, *, constant: bool) -> onnx.ModelProto:
    """``constant``: weight and bias are part of the model."""
    constants = ["weight", "bias"] if constant else []
    names = [name for name in NAMES if name in a]
    graph = helper.make_graph(
        [helper.make_node("ConvToImage", names, ["image"], domain="layoutrt")],
        "one_operator",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in a.items()
            if name not in constants
        ],
        [helper.make_tensor_value_info("image", TensorProto.UINT8, None)],
        [numpy_helper.from_array(a[name], name) for name in constants],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("layoutrt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(a: Arguments, folder: Path, *, threads: int = 1, constant: bool = True) -> np.ndarray:
    model = make_model(a, constant=constant)
    path = folder / "model.onnx"
    onnx.save(model, path)
    taken = {info.name for info in model.graph.input}
    with Session(path, threads=threads) as session:
        return session.run(**{name: value for name, value in a.items() if name in taken})["image"]


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
    image, levels = results[name], expected(CASES[name])
    assert image.dtype == np.uint8
    assert image.shape == levels.shape
    # Errors of the sums and of tanh, in levels: only so close to the middle of two may the other be taken.
    slack = 1e-6 * 127.5 if name == "every level" else 1e-3
    np.testing.assert_array_less(np.abs(image - levels), 0.5 + slack)
    assert len(np.unique(image)) > min(levels.size, 500) / 4
    for threads in (2, 5):
        assert np.array_equal(image, results[f"{name}|{threads}"]), threads


def test_sums_of_zero_are_rounded_to_the_even_of_127_and_128_on_every_instruction_set() -> None:
    for isa in processor_isas.usable():
        image = results_of(isa)[1]["every level"]
        zeros = CASES["every level"]["x"][0, 0] == 0
        assert zeros.sum() >= 2
        assert (image[0][zeros] == 128).all()


def test_parts_of_other_sizes_give_the_same_bytes(tmp_path: Path) -> None:
    a = CASES["whole vectors"]
    tall = {**a, **{name: np.tile(a[name], (1, 1, 20, 10)) for name in ("x", "y")}}
    upper = {**tall, **{name: tall[name][:, :, :40] for name in ("x", "y")}}
    whole, part = run(tall, tmp_path, threads=2), run(upper, tmp_path)
    assert np.array_equal(whole[:, :39], part[:, :39])
    left = {**tall, **{name: np.ascontiguousarray(tall[name][..., :77]) for name in ("x", "y")}}
    assert np.array_equal(whole[:, :, :76], run(left, tmp_path)[:, :, :76])


def test_what_is_not_a_number_becomes_a_byte_and_stays_in_its_window(tmp_path: Path) -> None:
    a = CASES["a row short of a group"]
    x = a["x"].copy()
    x[0, 2, 5, 9] = np.nan
    image, clean = run({**a, "x": x}, tmp_path), run(a, tmp_path)
    changed = np.zeros(clean.shape[:3], bool)
    changed[0, 4:7, 8:11] = True
    assert np.array_equal(image[~changed], clean[~changed])
    assert (image[changed] == 0).all()


def test_weights_may_be_inputs(tmp_path: Path) -> None:
    a = CASES["narrower than a vector"]
    assert np.array_equal(run(a, tmp_path, constant=False), run(a, tmp_path))


def test_an_empty_image_is_empty(tmp_path: Path) -> None:
    a = CASES["one row"]
    assert run({**a, "x": a["x"][:, :, :0]}, tmp_path).shape == (1, 0, 50, 3)


def test_an_image_of_no_channels_is_refused_in_a_sentence(tmp_path: Path) -> None:
    a = {**CASES["one row"], "x": floats(1, 1, 0, 2, 3), "weight": floats(1, 3, 0, 3, 3)}
    with pytest.raises(LayoutRTError) as caught:
        run(a, tmp_path, constant=False)
    assert "ConvToImage: x must have at least one channel, got [1, 0, 2, 3]" in str(caught.value)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        ("x", (1, 8, 64), "x must be [N, C, H, W], got [1, 8, 64]"),
        ("y", (1, 16, 12, 63), "y must be [N, D, H, W] = [1, ?, 12, 64], got [1, 16, 12, 63]"),
        ("weight", (3, 23, 3, 3), "weight must be [3, C + D, 3, 3] = [3, 24, 3, 3], got [3, 23, 3, 3]"),
        ("weight", (4, 24, 3, 3), "weight must be [3, C + D, 3, 3] = [3, "),
        ("weight", (3, 24, 5, 5), "weight must be [3, C + D, 3, 3] = [3, "),
        ("bias", (4,), "bias must be [3] = [3], got [4]"),
    ],
)
def test_a_wrong_shape_is_a_sentence(
    tmp_path: Path, name: str, shape: tuple[int, ...], sentence: str, constant: bool
) -> None:
    wrong = {**CASES["whole vectors"], name: floats(1, *shape)}
    with pytest.raises(LayoutRTError) as caught:
        run(wrong, tmp_path, constant=constant)
    assert f"ConvToImage: {sentence}" in str(caught.value)


def main(folder: Path) -> None:
    results = {"simd": np.array(native_bindings.load().lrt_simd().decode())}
    for name, case in CASES.items():
        results[name] = run(case, folder)
        for threads in (2, 5):
            results[f"{name}|{threads}"] = run(case, folder, threads=threads)
    np.savez(folder / "results.npz", **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
