"""Checkpoints: written whole or not at all, and refused with a sentence when they cannot be read."""

import json

import pytest
import torch
from safetensors.torch import save_file

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.checkpoint import load_generator, load_tensors, save_generator, save_tensors


@pytest.fixture
def checkpoint(tiny_generator, tmp_path):
    path = tmp_path / "g.safetensors"
    save_generator(path, tiny_generator.state_dict(), tiny_generator.config, label_set("camvid"), {"seed": 3})
    return path


def test_a_generator_comes_back_as_it_was(checkpoint, tiny_generator) -> None:
    generator, labels, provenance = load_generator(checkpoint)
    assert generator.config == tiny_generator.config
    assert labels == label_set("camvid")
    assert provenance == {"seed": 3}
    assert not generator.training
    for name, tensor in tiny_generator.state_dict().items():
        assert torch.equal(generator.state_dict()[name], tensor)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"no\.safetensors does not exist"):
        load_generator(tmp_path / "no.safetensors")


def test_a_truncated_file_is_named(checkpoint) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(LayoutRTError, match=r"g\.safetensors is truncated or not a safetensors file"):
        load_generator(checkpoint)


def test_a_foreign_file_is_named(tmp_path) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(LayoutRTError, match=r"foreign\.safetensors was not made by layoutrt"):
        load_generator(tmp_path / "foreign.safetensors")


def test_a_file_of_a_newer_format_asks_for_an_upgrade(tmp_path) -> None:
    header = {"layoutrt.format": "2", "layoutrt.version": "9.0", "layoutrt.kind": "generator"}
    save_file({"w": torch.zeros(1)}, tmp_path / "new.safetensors", header)
    with pytest.raises(
        LayoutRTError, match=r"new\.safetensors was made by a newer .*\(format 2, version 9\.0\)"
    ):
        load_generator(tmp_path / "new.safetensors")


def test_a_file_of_another_kind_is_named(tmp_path) -> None:
    save_tensors(tmp_path / "t.safetensors", {"w": torch.zeros(1)}, "training", {})
    with pytest.raises(LayoutRTError, match=r"t\.safetensors is a training file, not a generator file"):
        load_generator(tmp_path / "t.safetensors")


def test_unknown_configuration_fields_ask_for_an_upgrade(tiny_generator, tmp_path) -> None:
    config = tiny_generator.config.to_dict() | {"swirl": 1}
    metadata = {"config": config, "label_set": json.loads(label_set("camvid").to_json())}
    save_tensors(tmp_path / "g.safetensors", tiny_generator.state_dict(), "generator", metadata)
    with pytest.raises(LayoutRTError, match=r"unknown configuration fields \['swirl'\]; upgrade"):
        load_generator(tmp_path / "g.safetensors")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(checkpoint, monkeypatch) -> None:
    before = checkpoint.read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("layoutrt.train.checkpoint.save_file", full)
    with pytest.raises(LayoutRTError, match="No space left on device"):
        save_tensors(checkpoint, {"w": torch.zeros(1)}, "training", {})
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == ["g.safetensors"]


def test_metadata_and_tensors_come_back(tmp_path) -> None:
    tensors = {"a": torch.arange(6).view(2, 3), "b": torch.tensor(1.5)}
    save_tensors(tmp_path / "t.safetensors", tensors, "training", {"step": 7, "config": {"x": [1]}})
    loaded, metadata = load_tensors(tmp_path / "t.safetensors", "training")
    assert metadata == {"step": 7, "config": {"x": [1]}}
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
