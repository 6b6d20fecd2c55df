"""Sensitivity: the ranking of layers, its report, and the layers that a budget keeps in float."""

import json
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from layoutrt.calib.calibrate import calibrate
from layoutrt.calib.quality.budget import Budget, layers_to_keep, parse_budget
from layoutrt.calib.quality.evaluator import AccuracyDrop
from layoutrt.calib.quality.fidelity import FidelityMeter
from layoutrt.calib.sensitivity import rank_model
from layoutrt.errors import LayoutRTError
from layoutrt.report.bar_chart import Bar, bar_chart


@pytest.fixture(scope="module")
def spoiled(tiny_model, tmp_path_factory):
    """A model one of whose layers has weights that 8 bits hold badly, and the name of that layer."""
    model = onnx.load(tiny_model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    node = [n for n in model.graph.node if n.op_type == "Conv" and weights[n.input[1]].dims[2] == 3][-1]
    tensor = weights[node.input[1]]
    array = numpy_helper.to_array(tensor).copy()
    array[:, 0, 0, 0] += 40 * np.abs(array).max()  # this tap takes nearly all levels of each output's scale
    tensor.raw_data = array.tobytes()
    path = tmp_path_factory.mktemp("spoiled") / "spoiled.onnx"
    onnx.save(model, path)
    return path, node.name


def a_drop(psnr: float | None = None, drop: float | None = None) -> AccuracyDrop:
    images = None
    if psnr is not None:
        meter = FidelityMeter()
        image = np.zeros((16, 16, 3), np.uint8)
        meter.add(image, image + 1)
        images = meter.result()
        object.__setattr__(images, "psnr", psnr)
    return AccuracyDrop(1, images, None if drop is None else 0.9, drop)


def test_the_layer_that_8_bits_hold_badly_stands_first(spoiled, layouts, tmp_path) -> None:
    model, worst = spoiled
    ranking = rank_model(model, str(layouts), tmp_path, eval_frames=2, threads=1)
    assert ranking.layers[0].node == worst
    assert ranking.layers[0].share > 0.3
    assert sum(layer.share for layer in ranking.layers) == pytest.approx(1)
    errors = [layer.accuracy_drop.error for layer in ranking.layers]
    assert errors == sorted(errors, reverse=True)
    graph = onnx.load(model).graph
    operators = [node.op_type for node in graph.node]
    assert len(ranking.layers) == sum(operators.count(name) for name in ("Conv", "GatedPredictedConv"))
    assert ranking.together.psnr < min(layer.accuracy_drop.psnr for layer in ranking.layers[1:])


def test_the_ranking_is_written_as_json_and_as_a_plot(tiny_model, layouts, tmp_path, cli) -> None:
    arguments = ("--data", layouts, "--out", tmp_path, "--eval-frames", 1, "--rows", 3, "--threads", 1)
    outcome = cli("sensitivity", tiny_model, *arguments)
    assert outcome.code == 0
    assert "all together" in outcome.out
    values = json.loads((tmp_path / "sensitivity.json").read_text())
    assert set(values) == {"model", "together", "layers"}
    assert values["layers"][0]["node"] in outcome.out
    assert {"node", "operator", "weight", "share", "psnr", "shift", "miou_drop"} <= set(values["layers"][0])
    root = ElementTree.parse(tmp_path / "sensitivity.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(layer["weight"].removesuffix(".weight") in texts for layer in values["layers"])


def test_bars_are_as_long_as_their_values_and_text_is_escaped() -> None:
    chart = bar_chart("a < b", ["c & d"], [Bar("x", "k", 0.5, "50 %"), Bar("y", "k", 0.25, "25 %")])
    root = ElementTree.fromstring(chart)
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if float(e.get("height")) == 16]
    assert [float(bar.get("width")) for bar in bars] == [380, 190]


def test_a_budget_keeps_the_worst_layer_in_float(spoiled, layouts, tmp_path) -> None:
    model, worst = spoiled
    table = tmp_path / "table.json"
    plain = calibrate(model, str(layouts), tmp_path / "plain.onnx", table=table, threads=1)
    bound = plain.accuracy_drop.psnr + 0.5
    budget = Budget("psnr", bound)
    done = calibrate(model, str(layouts), tmp_path / "kept.onnx", budget=budget, table=table, threads=1)
    assert worst in done.float_layers
    assert done.accuracy_drop.psnr >= bound
    within = calibrate(
        model, str(layouts), tmp_path / "within.onnx", budget=Budget("psnr", 5), table=table, threads=1
    )
    assert within.float_layers == []


@pytest.mark.parametrize("target", ["ort", "tensorrt"])
def test_a_budget_evaluates_the_model_of_the_target(
    tiny_model, layouts, tmp_path, monkeypatch, target
) -> None:
    evaluated: list[AccuracyDrop] = []

    def keep_none(budget, worst_first, drop_of) -> list[str]:
        evaluated.append(drop_of([]))
        return []

    # Nobody looks at the ranking here, which takes as long as all else.
    monkeypatch.setattr("layoutrt.calib.calibrate.rank_layers", lambda *_, **__: [])
    monkeypatch.setattr("layoutrt.calib.calibrate.layers_to_keep", keep_none)
    out, budget = tmp_path / "int8.onnx", Budget("psnr", 30)
    done = calibrate(tiny_model, str(layouts), out, target=target, budget=budget, threads=1)
    assert evaluated == [done.accuracy_drop]


def test_a_budget_that_cannot_be_kept_to_is_refused() -> None:
    with pytest.raises(LayoutRTError, match="a PSNR of 30 dB cannot be kept to"):
        layers_to_keep(Budget("psnr", 30), ["a", "b", "c"], lambda names: a_drop(psnr=20))


@pytest.mark.parametrize("needed", [0, 1, 2, 3, 7, 12, 13])
def test_the_fewest_layers_are_found(needed) -> None:
    asked = []

    def drop_of(names):
        asked.append(len(names))
        return a_drop(psnr=40 if len(names) >= needed else 20)

    layers = [str(index) for index in range(13)]
    assert layers_to_keep(Budget("psnr", 30), layers, drop_of) == layers[:needed]
    assert len(asked) <= 9


def test_budgets_are_bounds_on_one_measure() -> None:
    assert parse_budget("psnr:33.5") == Budget("psnr", 33.5)
    assert parse_budget("miou:0.5").allows(a_drop(psnr=10, drop=0.4))
    assert not parse_budget("miou:0.5").allows(a_drop(psnr=90, drop=0.6))
    assert parse_budget("psnr:30").allows(a_drop(psnr=math.inf))
    for text in ("psnr", "psnr:", "psnr:-3", "ssim:1", "33dB", "miou:1:2"):
        with pytest.raises(LayoutRTError, match="is not a budget"):
            parse_budget(text)
    with pytest.raises(LayoutRTError, match="give --budget miou"):
        Budget("psnr", 30).allows(a_drop(drop=0.1))
    with pytest.raises(LayoutRTError, match="name one with --segmenter"):
        Budget("miou", 1).allows(a_drop(psnr=30))
