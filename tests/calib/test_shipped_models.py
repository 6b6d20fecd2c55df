"""The 8-bit models that ship: as close to the float ones as their cards say, and executed in 8 bits."""

import json
import re

import onnx
import pytest

from layoutrt.artifacts.info import describe
from layoutrt.calib.measurement import model_digest
from layoutrt.files import file_digest
from layoutrt.models import resolve_model

NAMES = ("camvid-edge", "camvid-seg")
CONVOLUTIONS_IN_FLOAT = 1
"""Number in each model; the edge generator has a gated predicted convolution in float as well."""


@pytest.mark.parametrize("name", NAMES)
def test_only_the_layers_that_the_file_names_are_executed_in_float(name, executed_operators) -> None:
    path = resolve_model(f"{name}-int8")
    operators = executed_operators(path)
    in_float = describe(path)["calibration"]["float_layers"]
    assert sum(operator in ("Conv", "FusedConv") for operator in operators) == CONVOLUTIONS_IN_FLOAT
    convolutions = [node.op_type for node in onnx.load(resolve_model(name)).graph.node].count("Conv")
    assert operators.count("QLinearConv") == convolutions - CONVOLUTIONS_IN_FLOAT
    predictors = [operator for operator in operators if operator in ("PredictedConv", "GatedPredictedConv")]
    assert len(predictors) == len(in_float) - CONVOLUTIONS_IN_FLOAT


@pytest.mark.parametrize("name", NAMES)
def test_the_card_has_the_files_size_hash_and_accuracy_drop(name) -> None:
    path = resolve_model(f"{name}-int8")
    card = path.with_suffix(".md").read_text()
    assert f"{path.stat().st_size:,} bytes" in card
    assert file_digest(path) in card
    assert file_digest(resolve_model(name)) in card
    (written,) = re.findall(r"`(\{.*?\})`", card)
    assert json.loads(written) == describe(path)["damage"]


def test_the_8_bit_edge_generator_keeps_the_picture_on_frames_it_never_saw(
    data_folder, cli, tmp_path
) -> None:
    report = tmp_path / "report.json"
    data = data_folder / "camvid/val"
    arguments = ("--data", data, "--frames", 34, "--json", report)
    outcome = cli("verify", "camvid-edge", "camvid-edge-int8", *arguments)
    assert outcome.code == 0, outcome
    image = json.loads(report.read_text())["image"]
    assert image["psnr_db"] > 34
    assert max(abs(shift) for shift in image["shift"].values()) < 0.5


def test_the_8_bit_segmenter_gives_the_same_labels_on_new_frames(data_folder, cli) -> None:
    arguments = ("--data", data_folder / "camvid/val", "--frames", 34, "--min-agreement", 0.99)
    assert cli("verify", "camvid-seg", "camvid-seg-int8", *arguments).code == 0


def test_a_float_models_identity_is_its_files_hash() -> None:
    assert model_digest(resolve_model("camvid-seg")) == file_digest(resolve_model("camvid-seg"))
