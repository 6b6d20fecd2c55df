"""Promises of a session with native operators beside their results."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest

from layoutrt.runtime.session import Session
from tests.operators.case import Arguments, Case, floats
from tests.operators.cases import BY_OPERATOR, CASES
from tests.operators.cases.gated_predicted_conv import gated_case
from tests.operators.compare import assert_is_defined
from tests.operators.model import model_inputs, one_node_model
from tests.operators.native_process import onnxruntime_session, results_of, run_session
from tests.support import processor_isas


@pytest.mark.parametrize(
    "name",
    [
        "SpatiallyVaryingConv 1x2x90x200 k3 affine",
        "LayoutConv 1x24x64x96 of 35 k3 stride 2",
        "LayoutConv 1x130x64x96 of 35 k3 stride 1 constant",
        "PredictedConv 1x4x33x100 j8 p3 constant",
        "ConvToImage whole vectors",
        "GatedPredictedConv the gate has its own features",
        "QuantizedPredictedConv 1x4x33x100 j8 p3 zero point 0 affine",
        "QuantizedGatedPredictedConv gated by h",
    ],
)
def test_shapes_need_not_be_known_beforehand(tmp_path: Path, name: str) -> None:
    assert_is_defined(CASES[name], run_session(CASES[name], tmp_path, dynamic=True), "float32")


def test_runs_from_several_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    case = CASES["PredictedConv 1x4x33x100 j8 p3 constant"]
    model = one_node_model(case)
    onnx.save(model, tmp_path / "model.onnx")
    ours, theirs = Session(tmp_path / "model.onnx", threads=2), onnxruntime_session(model, threads=2)
    inputs = {
        seed: {name: floats(seed, *a.shape) for name, a in model_inputs(case).items()} for seed in range(4)
    }
    wanted = {seed: ours.run(**given)["y"] for seed, given in inputs.items()}
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


def test_a_channel_does_not_depend_on_those_computed_with_it(tmp_path: Path) -> None:
    case = CASES["PredictedConv winograd, channels in parts"]
    whole = run_session(case, tmp_path)
    for c in (0, 34, 69):
        alone: Arguments = {"x": case.arguments["x"][:, c : c + 1]}
        for name, rows in {"weight": 9, "bias": 9, "scale": 1, "shift": 1}.items():
            alone[name] = case.arguments[name][c * rows : (c + 1) * rows]
        assert np.array_equal(run_session(case.changed(**alone), tmp_path)[:, 0], whole[:, c])


def test_features_given_twice_count_as_the_same_features(tmp_path: Path) -> None:
    shared = CASES["GatedPredictedConv blocks that end within rows"]
    apart = shared.changed(gate_h=shared.arguments["h"].copy())
    assert list(model_inputs(apart)) == ["x", "h", "gate_h", "residual"]
    assert np.array_equal(run_session(shared, tmp_path), run_session(apart, tmp_path))


def test_the_gate_keeps_its_precision_where_it_is_nearly_closed_or_open(tmp_path: Path) -> None:
    logits = np.concatenate([np.linspace(-86, 30, 600), [-200.0, -1e30, 88.0, 200.0, 1e30]])
    case = gated_case("gate alone", 1, 1, 1, 1, 1, 1, logits.size, number=True)
    zeros = {name: np.zeros_like(case.arguments[name]) for name in ("x", "mix", "gate_bias", "residual")}
    ones = {"mix_bias": np.ones(1, np.float32), "gate_weight": np.ones((1, 1, 1, 1), np.float32)}
    gate_h = logits.astype(np.float32).reshape(1, 1, 1, -1)
    case = case.changed(**zeros, **ones, gate_h=gate_h)
    gate, wanted = run_session(case, tmp_path).ravel(), case.expected.ravel()
    np.testing.assert_allclose(gate[:600], wanted[:600], rtol=1e-6, atol=0)
    np.testing.assert_allclose(gate[600:], wanted[600:], rtol=1e-6, atol=2e-38)


IMAGES = {case.name: case for case in BY_OPERATOR["conv_to_image"].CASES}


def test_sums_of_zero_are_rounded_to_the_even_of_127_and_128_on_every_instruction_set() -> None:
    zeros = IMAGES["every level"].arguments["x"][0, 0] == 0
    assert zeros.sum() >= 2
    for isa in processor_isas.usable():
        assert (results_of(isa).by_case["ConvToImage every level"][0][zeros] == 128).all()


def test_parts_of_an_image_of_other_sizes_give_the_same_bytes(tmp_path: Path) -> None:
    case = IMAGES["whole vectors"]

    def cut(height: int, width: int) -> Case:
        tall = {name: np.tile(case.arguments[name], (1, 1, 20, 10)) for name in ("x", "y")}
        return case.changed(**{name: a[:, :, :height, :width].copy() for name, a in tall.items()})

    whole = run_session(cut(240, 640), tmp_path, threads=2)
    assert np.array_equal(whole[:, :39], run_session(cut(40, 640), tmp_path)[:, :39])
    assert np.array_equal(whole[:, :, :76], run_session(cut(240, 77), tmp_path)[:, :, :76])


def test_what_is_not_a_number_becomes_a_byte_and_stays_in_its_window(tmp_path: Path) -> None:
    case = IMAGES["a row short of a group"]
    x = case.arguments["x"].copy()
    x[0, 2, 5, 9] = np.nan
    image, clean = run_session(case.changed(x=x), tmp_path), run_session(case, tmp_path)
    changed = np.zeros(clean.shape[:3], bool)
    changed[0, 4:7, 8:11] = True
    assert np.array_equal(image[~changed], clean[~changed])
    assert (image[changed] == 0).all()


def test_an_empty_image_is_empty(tmp_path: Path) -> None:
    case = IMAGES["one row"]
    empty = case.changed(x=case.arguments["x"][:, :, :0])
    assert run_session(empty, tmp_path).shape == (1, 0, 50, 3)
