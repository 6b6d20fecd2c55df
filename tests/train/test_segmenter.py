"""The segmenter: its network, its training, its way into a file and back."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.checkpoint import load_segmenter, save_segmenter
from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig
from layoutrt.train.segmenter.config import SegmenterTrainingConfig
from layoutrt.train.segmenter.run import train_segmenter
from layoutrt.train.segmenter.training import SEGMENTER_FILE, SegmenterTrainer, class_weights, recolor
from tests.support.pairs_on_disk import write_pairs

CAMVID = label_set("camvid")


def tiny_config(data: Path, **changes: object) -> SegmenterTrainingConfig:
    values = {"height": 32, "width": 48, "network_width": 6, "steps": 6, "batch_size": 2}
    values |= {"label_set": "camvid"}
    return SegmenterTrainingConfig(data=str(data), **(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pairs")
    for split in ("train", "val"):
        write_pairs(root / split, 4, (48, 64))
    return root


def test_the_network_is_small_and_scores_every_pixel() -> None:
    segmenter = Segmenter(SegmenterConfig(12)).eval()
    assert 1_000_000 < sum(p.numel() for p in segmenter.parameters()) < 2_000_000
    image = torch.zeros(2, 3, 64, 96)
    with torch.no_grad():
        assert segmenter(image).shape == (2, 12, 64, 96)
        strides = [64 // feature.shape[2] for feature in segmenter.features(image)]
    assert strides == [2, 4, 8, 16]


def test_training_learns_to_tell_classes_apart(pairs: Path, tmp_path: Path) -> None:
    score = train_segmenter(tiny_config(pairs, steps=60, learning_rate=1e-2), tmp_path)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    assert score is not None
    provenance = load_segmenter(tmp_path / SEGMENTER_FILE)[2]
    assert provenance["validation"]["mean_iou"] == score.mean_iou
    assert (tmp_path / "curves.png").is_file()


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(pairs: Path, tmp_path: Path) -> None:
    config = tiny_config(pairs)
    train_segmenter(config, tmp_path / "whole")
    train_segmenter(config, tmp_path / "parts", stop_after=3)
    train_segmenter(config, tmp_path / "parts", resume=True)
    whole, parts = (
        load_segmenter(tmp_path / run / SEGMENTER_FILE)[0].state_dict() for run in ("whole", "parts")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    logs = [(tmp_path / run / "losses.jsonl").read_text() for run in ("whole", "parts")]
    assert logs[0] == logs[1]


def test_dont_care_teaches_nothing(tmp_path: Path) -> None:
    trainer = SegmenterTrainer(tiny_config(tmp_path, color=0.0), CAMVID, torch.ones(12))
    labels = torch.randint(0, 11, (2, 32, 48), dtype=torch.uint8)
    labels[:, :16] = 11
    before = trainer._target(labels)
    assert (before[:, :16] == -1).all()
    assert (before[:, 16:] == labels[:, 16:]).all()
    assert torch.isfinite(torch.tensor(trainer.train_step(torch.randn(2, 3, 32, 48), labels)["loss"]))


def test_a_batch_without_labels_teaches_nothing_and_does_not_stop_the_run(tmp_path: Path) -> None:
    trainer = SegmenterTrainer(tiny_config(tmp_path), CAMVID, torch.ones(12))
    values = trainer.train_step(torch.randn(2, 3, 32, 48), torch.full((2, 32, 48), 11, dtype=torch.uint8))
    assert values == {"loss": 0, "accuracy": 0}
    assert trainer.step == 1


def test_rare_classes_weigh_more_and_those_that_were_not_counted_most() -> None:
    weights = class_weights(torch.tensor([900.0, 100.0, 0.0]))
    assert weights[2] > weights[1] > weights[0] > 0


def test_recoloring_keeps_the_range_and_depends_on_its_source_alone() -> None:
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    first, second = (recolor(images, 0.3, np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, images)
    assert first.abs().max() <= 1


def test_a_nan_stops_the_run_and_names_the_step(pairs: Path, tmp_path: Path) -> None:
    trainer = SegmenterTrainer(tiny_config(pairs), CAMVID, torch.ones(12))
    images = torch.full((2, 3, 32, 48), float("nan"))
    with pytest.raises(LayoutRTError, match="at step 0"):
        trainer.train_step(images, torch.zeros(2, 32, 48, dtype=torch.uint8))


def test_a_run_resumes_after_its_label_set_has_moved(pairs: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((files("layoutrt") / "label_sets" / "camvid.toml").read_text())
    run = tmp_path / "run"
    train_segmenter(tiny_config(pairs, steps=2, label_set=str(file)), run, stop_after=1)
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / "mine.toml")
    train_segmenter(tiny_config(pairs, steps=2, label_set=str(moved)), run, resume=True)
    provenance = load_segmenter(run / SEGMENTER_FILE)[2]["training"]
    assert provenance["label_set"] == "mine.toml", "a checkpoint names no folder of the machine it is from"


@pytest.mark.parametrize("name", ["cityscapes", "camvid"])
def test_a_run_is_not_resumed_with_another_label_set_of_the_same_name(
    pairs: Path, tmp_path: Path, name: str
) -> None:
    sets = files("layoutrt") / "label_sets"
    file = tmp_path / "mine.toml"
    file.write_text((sets / "camvid.toml").read_text())
    train_segmenter(tiny_config(pairs, steps=2, label_set=str(file)), tmp_path / "run", stop_after=1)
    other = tmp_path / "elsewhere" / "mine.toml"
    other.parent.mkdir()
    other.write_text((sets / f"{name}.toml").read_text().replace('"sky"', '"heaven"'))
    with pytest.raises(LayoutRTError, match="other classes in the label set"):
        train_segmenter(tiny_config(pairs, steps=2, label_set=str(other)), tmp_path / "run", resume=True)


def test_a_run_of_another_configuration_is_not_resumed(pairs: Path, tmp_path: Path) -> None:
    train_segmenter(tiny_config(pairs), tmp_path, stop_after=1)
    with pytest.raises(LayoutRTError, match="network_width: 6 -> 8"):
        train_segmenter(tiny_config(pairs, network_width=8), tmp_path, resume=True)
    with pytest.raises(LayoutRTError, match="holds a run already"):
        train_segmenter(tiny_config(pairs), tmp_path)


def test_a_size_without_statistics_is_refused(pairs: Path) -> None:
    with pytest.raises(LayoutRTError, match=r"training size 16x16 is too small.*; use 16x32 or more"):
        tiny_config(pairs, height=16, width=16)


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_exported_file_gives_the_networks_labels(tmp_path: Path, dynamic: bool) -> None:
    from layoutrt.export.onnx_export.to_onnx import export_onnx
    from layoutrt.runtime.session import Session

    torch.manual_seed(5)
    segmenter = Segmenter(SegmenterConfig(12, 6, 64, 96))
    with torch.no_grad():
        for _ in range(3):
            segmenter(torch.randn(2, 3, 64, 96))
    segmenter.eval()
    # A class that would win everywhere, were it not "don't care".
    assert segmenter.classify.bias is not None
    with torch.no_grad():
        # Fresh weights would find one class everywhere.
        segmenter.classify.weight.mul_(50)
        segmenter.classify.bias[11] += 1000
    checkpoint = tmp_path / "segmenter.safetensors"
    save_segmenter(checkpoint, segmenter.state_dict(), segmenter.config, CAMVID, {})
    export_onnx(checkpoint, tmp_path / "segmenter.onnx", dynamic=dynamic)
    session = Session(tmp_path / "segmenter.onnx", threads=1)
    assert session.metadata["layoutrt.kind"] == "segmenter"
    for size in ((64, 96), (32, 48)) if dynamic else ((64, 96),):
        blocks = np.random.default_rng(0).integers(0, 256, (1, size[0] // 8, size[1] // 8, 3), np.uint8)
        frame = blocks.repeat(8, 1).repeat(8, 2)
        with torch.no_grad():
            image = torch.from_numpy(frame).permute(0, 3, 1, 2).float() / 127.5 - 1
            expected = segmenter(image)[:, :11].argmax(1).numpy()
        labels = session.run(frame=frame)["labels"]
        assert labels.dtype == np.uint8
        assert len(np.unique(expected)) > 2
        assert (labels == expected).mean() > 0.999
    model = onnx.load(tmp_path / "segmenter.onnx")
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)


def test_the_command_trains_resumes_and_reports(pairs: Path, tmp_path: Path, cli, refuses) -> None:
    command = ("train-segmenter", "--out", tmp_path / "run")
    sizes = ("--size", "32x48", "--width", 6, "--steps", 6, "--batch", 2)
    started = cli(*command, "--data", pairs, *sizes, "--stop-after", 2)
    assert started.code == 0, started
    assert "validation" not in started.out
    resumed = cli(*command, "--resume")
    assert resumed.code == 0, resumed
    assert "validation: mIoU" in resumed.out
    assert str(tmp_path / "run" / SEGMENTER_FILE) in resumed.out
    refuses(command, "--data is missing")


@pytest.mark.parametrize(
    ("field", "value"), [("enlarge", float("inf")), ("learning_rate", float("inf")), ("seed", -1)]
)
def test_a_configuration_out_of_range_is_refused(tmp_path, field, value) -> None:
    with pytest.raises(LayoutRTError, match=f"training configuration: {field} = {value} is out of range"):
        tiny_config(tmp_path, **{field: value})
