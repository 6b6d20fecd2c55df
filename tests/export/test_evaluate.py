"""Evaluation: the numbers are right, depend on the files alone, and bad input is one sentence."""

import json
from pathlib import Path
from shutil import copy

import cv2
import numpy as np
import onnx
import pytest
import torch

from layoutrt.calib.observe.calibration_inputs import evenly_spread
from layoutrt.export.any_model import open_model
from layoutrt.export.evaluation.comparison_sheet import comparison_sheet
from layoutrt.export.evaluation.data import EvaluationData
from layoutrt.export.evaluation.evaluate import evaluate
from layoutrt.layouts import colorize, label_set, read_layout, write_layout
from layoutrt.train.checkpoint import load_segmenter, save_generator, save_segmenter
from layoutrt.train.networks.inception import InceptionV3
from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig

SIZE = (64, 96)
VOID = 11


def write_set(root: Path, labels, count: int, *, instances: bool = False, split: str = "val") -> Path:
    """Blocks of random classes at 64x96; images are their colors with noise."""
    random = np.random.default_rng(0)
    folder = root / split
    for part in ("images", "labels", *(["instances"] if instances else [])):
        (folder / part).mkdir(parents=True)
    for i in range(count):
        blocks = random.integers(0, labels.num_classes, (4, 6), dtype=np.uint8)
        layout = blocks.repeat(16, 0).repeat(16, 1)
        write_layout(folder / "labels" / f"{i}.png", layout, labels, color=False)
        noisy = colorize(layout, labels).astype(int) + random.integers(-30, 30, (*SIZE, 3))
        cv2.imwrite(str(folder / "images" / f"{i}.png"), noisy.clip(0, 255).astype(np.uint8)[..., ::-1])
        if instances:
            ids = random.integers(0, 9, (4, 6), dtype=np.uint16).repeat(16, 0).repeat(16, 1) + 500
            cv2.imwrite(str(folder / "instances" / f"{i}.png"), ids)
    return root


def write_segmenter(path: Path, labels, *, void_bias: float = 0.0) -> Path:
    torch.manual_seed(5)
    config = SegmenterConfig(labels.num_classes, width=6, image_height=SIZE[0], image_width=SIZE[1])
    segmenter = Segmenter(config)
    with torch.no_grad():
        segmenter.classify.weight.mul_(20)  # different classes in different places
        assert segmenter.classify.bias is not None
        segmenter.classify.bias[labels.dont_care] += void_bias
    save_segmenter(path, segmenter.state_dict(), config, labels, {})
    return path


@pytest.fixture(scope="module")
def camvid_set(tmp_path_factory) -> Path:
    """Five validation samples of CamVid's classes."""
    return write_set(tmp_path_factory.mktemp("camvid"), label_set("camvid"), 5)


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory) -> Path:
    return write_segmenter(tmp_path_factory.mktemp("seg") / "seg.safetensors", label_set("camvid"))


def measured(evaluation) -> dict:
    """The part of a report that must be the same for the same files."""
    return {key: value for key, value in evaluation.to_json().items() if key != "seconds"}


def scores_by_hand(pairs) -> tuple[float, float]:
    """Mean IoU and pixel accuracy over pairs of label maps, class by class; void is left out."""
    truth = np.concatenate([labels.ravel() for labels, _ in pairs])
    found = np.concatenate([predicted.ravel() for _, predicted in pairs])[truth != VOID]
    truth = truth[truth != VOID]
    ious = [
        ((truth == c) & (found == c)).sum() / ((truth == c) | (found == c)).sum()
        for c in range(VOID)
        if ((truth == c) | (found == c)).any()
    ]
    return float(np.mean(ious)), float((truth == found).mean())


def test_scores_are_those_of_the_segmenter_on_synthesized_and_real_images(
    tiny_checkpoint, camvid_set, segmenter
) -> None:
    evaluation = evaluate(tiny_checkpoint, camvid_set, segmenter=segmenter)
    network, labels, _ = load_segmenter(segmenter)
    renderer = open_model(tiny_checkpoint)

    def predict(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            scores = network(torch.from_numpy(image.transpose(2, 0, 1)[None] / np.float32(127.5) - 1))
        return scores[0, :VOID].argmax(0).numpy()

    real, synthesized = [], []
    for i in range(5):
        layout = read_layout(camvid_set / "val" / "labels" / f"{i}.png", labels)
        photo = np.asarray(cv2.imread(str(camvid_set / "val" / "images" / f"{i}.png"))[..., ::-1], np.uint8)
        real.append((layout, predict(photo)))
        synthesized.append((layout, predict(renderer.run({"labels": layout[None]})[0])))
    for found, pairs in ((evaluation.real, real), (evaluation.synthesized, synthesized)):
        assert (found.mean_iou, found.pixel_accuracy) == pytest.approx(scores_by_hand(pairs))
    assert evaluation.real.mean_iou != evaluation.synthesized.mean_iou
    assert list(evaluation.real.class_iou) == labels.names[:VOID]


def test_an_exported_model_scores_as_its_checkpoint(
    tiny_checkpoint, tiny_model, camvid_set, segmenter
) -> None:
    one = evaluate(tiny_checkpoint, camvid_set, segmenter=segmenter)
    two = evaluate(tiny_model, camvid_set, segmenter=segmenter)
    # Their bytes differ by one here and there, which may tip a pixel of a segmenter with random weights.
    assert two.synthesized.pixel_accuracy == pytest.approx(one.synthesized.pixel_accuracy, abs=0.02)
    assert two.frechet == pytest.approx(one.frechet, rel=0.02)
    assert two.real == one.real
    assert (one.model.precision, two.model.precision) == ("fp32", "fp32")
    assert one.model.backend.startswith("torch")
    assert two.model.backend.startswith("ONNX Runtime")
    assert one.model.sha256 != two.model.sha256


def test_results_depend_on_neither_the_batch_nor_the_run(tiny_model, camvid_set, segmenter) -> None:
    first = measured(evaluate(tiny_model, camvid_set, segmenter=segmenter, batch=1))
    assert measured(evaluate(tiny_model, camvid_set, segmenter=segmenter, batch=1)) == first
    other = measured(evaluate(tiny_model, camvid_set, segmenter=segmenter, batch=3))
    # Convolutions of several images add up in another order.
    for key, value in first.pop("metrics").items():
        assert other["metrics"][key] == (value if value is None else pytest.approx(value, rel=1e-4))
    del other["metrics"]
    assert other == first


def test_a_model_of_a_fixed_batch_is_fed_whole_batches(tiny_model, camvid_set, segmenter, tmp_path) -> None:
    model = onnx.load(tiny_model)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    del model.graph.value_info[:]
    onnx.save(model, tmp_path / "two.onnx")
    found = evaluate(tmp_path / "two.onnx", camvid_set, segmenter=segmenter, batch=2)
    assert found.data.images == 5
    wanted = evaluate(tiny_model, camvid_set, segmenter=segmenter)
    assert found.synthesized.pixel_accuracy == pytest.approx(wanted.synthesized.pixel_accuracy, abs=1e-3)
    assert found.frechet == pytest.approx(wanted.frechet, rel=1e-3)
    other = evaluate(tmp_path / "two.onnx", camvid_set, segmenter=segmenter, batch=3)
    assert other.frechet == pytest.approx(wanted.frechet, rel=1e-3)


def test_dont_care_is_never_predicted(tiny_model, camvid_set, segmenter, tmp_path) -> None:
    eager = write_segmenter(tmp_path / "seg.safetensors", label_set("camvid"), void_bias=1e4)
    found = evaluate(tiny_model, camvid_set, segmenter=eager)
    assert found.real == evaluate(tiny_model, camvid_set, segmenter=segmenter).real
    assert found.real.pixel_accuracy
    assert "void" not in found.real.class_iou


@pytest.fixture(scope="module")
def full(tiny_full_generator, extra_dont_care, tmp_path_factory) -> tuple[Path, Path, Path]:
    """A checkpoint with latent and instances, a data set with instance maps, and a segmenter for them."""
    folder = tmp_path_factory.mktemp("full")
    checkpoint = folder / "full.safetensors"
    state, config = tiny_full_generator.state_dict(), tiny_full_generator.config
    save_generator(checkpoint, state, config, extra_dont_care, {})
    data = write_set(folder / "data", extra_dont_care, 3, instances=True)
    return checkpoint, data, write_segmenter(folder / "seg.safetensors", extra_dont_care)


def test_a_latent_gives_a_diversity_that_the_batch_does_not_change(full) -> None:
    checkpoint, data, judge = full
    first = evaluate(checkpoint, data, segmenter=judge, samples_per_layout=3, batch=1)
    assert first.diversity.samples_per_layout == 3
    assert first.diversity.value is not None
    assert first.diversity.value > 0
    again = evaluate(checkpoint, data, segmenter=judge, samples_per_layout=3, batch=3)
    assert again.diversity.value == pytest.approx(first.diversity.value, rel=1e-3)


def test_without_a_latent_or_a_second_sample_diversity_is_null_and_says_why(
    full, tiny_model, camvid_set, segmenter
) -> None:
    fixed = evaluate(tiny_model, camvid_set, segmenter=segmenter).to_json()
    assert fixed["metrics"]["diversity_segmenter"] is None
    assert "no latent" in fixed["diversity"]["reason"]
    checkpoint, data, judge = full
    once = evaluate(checkpoint, data, segmenter=judge, samples_per_layout=1)
    assert once.diversity.value is None
    assert "two or more" in str(once.diversity.reason)


def test_samples_are_resized_by_area_and_nearest(tmp_path) -> None:
    camvid = label_set("camvid")
    folder = tmp_path / "val"
    (folder / "images").mkdir(parents=True)
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 0] = 200  # alone in its 2x2 cell
    cv2.imwrite(str(folder / "images" / "a.png"), image)
    layout = np.arange(16, dtype=np.uint8).reshape(4, 4) % 11
    write_layout(folder / "labels" / "a.png", layout, camvid, color=False)
    (batch,) = EvaluationData(tmp_path, camvid, (2, 2)).batches(4)
    assert batch.images[0, :, :, 0].tolist() == [[50, 0], [0, 0]]
    assert batch.labels[0].tolist() == layout[::2, ::2].tolist()


def test_a_limit_is_spread_over_the_split(camvid_set) -> None:
    data = EvaluationData(camvid_set, label_set("camvid"), SIZE, limit=3)
    assert [entry.image.stem for entry in data.entries] == ["0", "2", "4"]
    assert evenly_spread(range(3), 9) == [0, 1, 2]


def test_the_distance_is_called_fid_with_inception_features_alone(
    tiny_model, camvid_set, segmenter, tmp_path
) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "fid.pth"
    torch.save(InceptionV3().state_dict(), weights)
    found = evaluate(
        tiny_model, camvid_set, segmenter=segmenter, features=f"inception:{weights}", limit=2
    ).to_json()
    assert found["metrics"]["FID"] > 0
    assert "frechet_segmenter" not in found["metrics"]
    assert found["features"]["name"] == "inception:fid.pth"
    assert found["features"]["vectors"] == 2


def test_the_command_prints_a_table_and_writes_json_and_a_sheet(
    cli, tiny_model, camvid_set, segmenter, tmp_path
) -> None:
    result, sheet = tmp_path / "new" / "result.json", tmp_path / "sheet.png"
    arguments = ("--data", camvid_set, "--segmenter", segmenter, "--json", result, "--sheet", sheet)
    outcome = cli("evaluate", tiny_model, *arguments)
    assert outcome.code == 0, outcome.err
    for words in ("mean IoU", "frechet_segmenter", "bicyclist", "5 images", "64x96", "ONNX Runtime"):
        assert words in outcome.out
    found = json.loads(result.read_text())
    assert found["data"] == {"folder": camvid_set.name, "split": "val", "images": 5, "size": "64x96"}
    assert found["segmenter"]["name"] == "seg"
    assert len(found["model"]["sha256"]) == 64
    assert set(found["class_iou"]) == set(label_set("camvid").names[:VOID])
    image = cv2.imread(str(sheet))
    assert image is not None
    real = cv2.imread(str(camvid_set / "val" / "images" / "0.png"))
    assert (image[34 : 34 + 64, 6 + 102 : 6 + 102 + 96] == real).all()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "result.json", "sheet.png"]


def test_an_evaluation_is_not_written_over_what_it_reads(
    tiny_model, camvid_set, segmenter, tmp_path, refuses
) -> None:
    model, judge = (Path(copy(file, tmp_path)) for file in (tiny_model, segmenter))
    for file, original in ((model, tiny_model), (judge, segmenter)):
        refuses(
            ("evaluate", model, "--data", camvid_set, "--segmenter", judge, "--json", file),
            f"--json {file} would overwrite",
        )
        assert file.read_bytes() == Path(original).read_bytes()


def test_a_sheet_has_a_row_for_each_layout_and_a_column_for_each_header() -> None:
    rows = [[np.full((20, 30, 3), 10 * (4 * y + x), np.uint8) for x in range(4)] for y in range(2)]
    sheet = comparison_sheet(rows, ["layout", "real", "teacher", "a name that is wider than its column"])
    assert sheet.shape == (34 + 2 * 26, 6 + 4 * 36, 3)
    assert (sheet[34 + 26 : 34 + 46, 6 + 36 : 6 + 66] == 50).all()
    assert sheet[:34].min() < 200  # headings are drawn


def test_real_data_is_evaluated_with_the_shipped_model(data_folder, segmenter) -> None:
    found = evaluate("camvid-edge", data_folder / "camvid", segmenter=segmenter, limit=2)
    assert found.data.images == 2
    assert found.data.size == "192x256"
    assert found.frechet_vectors == 24
    assert found.frechet > 0


def test_what_cannot_be_evaluated_is_one_sentence(
    refuses, tiny_model, tiny_checkpoint, camvid_set, segmenter, full, tmp_path
) -> None:
    checkpoint, _, full_segmenter = full

    def refused(*words: str, model=tiny_model, data=camvid_set, judge=segmenter, more=()) -> None:
        refuses(("evaluate", model, "--data", data, "--segmenter", judge, *more), *words)

    refused("'camvid'", "'trio'", "--segmenter", judge=full_segmenter)
    refused("no.safetensors does not exist", judge=tmp_path / "no.safetensors")
    refused("there is no model", model=tmp_path / "no.onnx")
    refused("there is no model", "no.safetensors", model=tmp_path / "no.safetensors")
    refused("is a segmenter and not a generator", model=segmenter)
    refused("no features 'vgg'", more=("--features", "vgg"))
    refused("fid.pth does not exist", more=("--features", f"inception:{tmp_path / 'fid.pth'}"))
    refused("is made for 64x96 and not 96x96", more=("--size", "96x96"))
    refused("multiples of 32", model=tiny_checkpoint, more=("--size", "100x100"))
    refused("sheet.gif", more=("--sheet", tmp_path / "sheet.gif"))
    refused("no.png", "is not a folder", data=tmp_path / "no.png")
    only_train = write_set(tmp_path / "train_only", label_set("camvid"), 1, split="train")
    refused("has no val split", data=only_train)
    (tmp_path / "empty" / "val" / "images").mkdir(parents=True)
    (tmp_path / "empty" / "val" / "labels").mkdir()
    refused("holds no images", data=tmp_path / "empty")
    refused("two or more", data=write_set(tmp_path / "one", label_set("camvid"), 1))
    without = write_set(tmp_path / "plain", label_set("camvid"), 2)
    for path in (without / "val" / "labels").iterdir():
        layout = np.zeros(SIZE, np.uint8)
        cv2.imwrite(str(path), layout)
    refused("reads instance ids", model=checkpoint, data=without, judge=full_segmenter)


def test_help_holds_examples(cli) -> None:
    outcome = cli("evaluate", "--help")
    assert outcome.code == 0
    assert "Examples" in outcome.out
    assert "layoutrt evaluate camvid-edge --data camvid" in outcome.out
