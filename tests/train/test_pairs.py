"""Image/label pairs: found by name, augmented together, reproducible."""

from itertools import islice

import cv2
import numpy as np
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import colorize, label_set
from layoutrt.train.pairs import PairFolder, batch_keys, find_pairs

CAMVID = label_set("camvid")


def folder(pairs, **options) -> PairFolder:
    return PairFolder(pairs / "train", CAMVID, (32, 32), load_size=(48, 64), **options)


def test_image_and_labels_are_cropped_and_flipped_together(pairs) -> None:
    samples = folder(pairs, seed=3, enlarge=1.0)
    crops = []
    for epoch in range(8):
        image, labels = samples[epoch, 1]
        # Images are the labels' colours with noise of at most 20 levels.
        pixels = (image.permute(1, 2, 0).numpy() + 1) * 127.5
        assert np.abs(pixels - colorize(labels.numpy(), CAMVID)).max() <= 20.01
        crops.append(labels.numpy().tobytes())
    assert len(set(crops)) == 8


def test_samples_have_the_size_asked_for_whatever_the_enlargement(pairs) -> None:
    samples = folder(pairs, enlarge=1.5)
    for epoch in range(4):
        image, labels = samples[epoch, 1]
        assert image.shape == (3, 32, 32)
        assert image.dtype == torch.float32
        assert -1 <= image.min() <= image.max() <= 1
        assert labels.shape == (32, 32)
        assert labels.dtype == torch.uint8


def test_a_sample_is_a_function_of_seed_epoch_and_index(pairs) -> None:
    first, again, other_seed = folder(pairs, seed=3), folder(pairs, seed=3), folder(pairs, seed=4)
    assert torch.equal(first[2, 1][0], again[2, 1][0])
    assert not torch.equal(first[2, 1][0], first[3, 1][0])
    assert not torch.equal(first[2, 1][0], other_seed[2, 1][0])


def test_batches_cover_an_epoch_and_can_start_anywhere() -> None:
    batches = list(islice(batch_keys(7, 2, seed=5, first_step=0), 9))
    epoch_0 = [index for batch in batches[:3] for _, index in batch]
    assert len(set(epoch_0)) == 6
    assert {epoch for batch in batches[3:6] for epoch, _ in batch} == {1}
    assert list(islice(batch_keys(7, 2, seed=5, first_step=4), 5)) == batches[4:]


def test_an_image_without_its_label_is_named(pairs) -> None:
    (pairs / "train" / "labels" / "frame_002.png").unlink()
    with pytest.raises(LayoutRTError, match=r"frame_002\.png has no label map; expected .*labels/frame_"):
        find_pairs(pairs / "train")


def test_a_folder_without_images_is_named(pairs) -> None:
    for path in (pairs / "val" / "images").iterdir():
        path.unlink()
    with pytest.raises(LayoutRTError, match=r"val/images holds no images"):
        find_pairs(pairs / "val")


def test_a_folder_without_pairs_says_what_belongs_there(tmp_path) -> None:
    with pytest.raises(LayoutRTError, match=r"images is not a folder; training data is a folder with"):
        find_pairs(tmp_path)


def test_an_unreadable_image_is_named(pairs) -> None:
    path = pairs / "train" / "images" / "frame_001.png"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LayoutRTError, match=r"frame_001\.png is not a readable image"):
        folder(pairs)[0, 1]


def test_a_label_map_of_another_size_is_named(pairs) -> None:
    path = pairs / "train" / "labels" / "frame_001.png"
    cv2.imwrite(str(path), np.zeros((10, 12), np.uint8))
    with pytest.raises(LayoutRTError, match=r"labels/frame_001\.png is 10x12 but its image .* is 48x64"):
        folder(pairs)[0, 1]


def test_a_label_outside_the_set_is_named(pairs) -> None:
    path = pairs / "train" / "labels" / "frame_001.png"
    labels = np.zeros((48, 64), np.uint8)
    labels[5, 9] = 77
    cv2.imwrite(str(path), labels)
    with pytest.raises(LayoutRTError, match=r"frame_001\.png has the value 77 at pixel \(x=9, y=5\)"):
        folder(pairs)[0, 1]


def test_real_camvid_pairs_are_read(data_folder) -> None:
    samples = PairFolder(data_folder / "camvid" / "train", CAMVID, (96, 128))
    assert len(samples) == 367
    image, labels = samples[0, 0]
    assert image.shape == (3, 96, 128)
    assert -1 <= image.min() < image.max() <= 1
    assert labels.max() <= 11
