"""Samples: image and maps are augmented together, reproducibly; what cannot be used is named."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.inputs.jpeg import is_whole_jpeg
from layoutrt.layouts import Label, LabelSet, label_set
from layoutrt.train.datasets import Entry, PairDataset, open_dataset, read_image
from tests.support.pairs_on_disk import write_array, write_pairs

CAMVID = label_set("camvid")


def samples(pairs: Path, **options) -> PairDataset:
    return PairDataset(
        open_dataset("auto", pairs, "train"), CAMVID, (32, 32), **({"load_size": (48, 64)} | options)
    )


@pytest.fixture(scope="module")
def painted(tmp_path_factory) -> tuple[Entry, LabelSet]:
    """A pair whose red tells the label and whose green tells the instance, in blocks of 24 pixels."""
    folder = tmp_path_factory.mktemp("painted")
    labels = LabelSet("reds", tuple(Label(f"red {i}", (i * 20, 0, 0), True) for i in range(12)))
    random = np.random.default_rng(0)
    indices, numbers = (random.integers(0, 12, (6, 8)).repeat(24, 0).repeat(24, 1) for _ in range(2))
    pixels = np.stack([indices * 20, numbers * 20, np.zeros_like(indices)], -1).astype(np.uint8)
    entry = Entry(
        write_array(folder / "image.png", pixels),
        write_array(folder / "labels.png", indices.astype(np.uint8)),
        write_array(folder / "instances.png", (indices * 1000 + numbers).astype(np.uint16)),
    )
    return entry, labels


@pytest.mark.parametrize(
    ("load_size", "enlarge"),
    [((144, 192), (1.0, 1.0)), ((80, 100), (0.8, 1.2)), ((200, 400), (1.0, 1.5)), ((144, 100), (1.0, 1.3))],
    ids=["as it is", "smaller", "larger", "both"],
)
def test_image_labels_and_instances_stay_on_each_other(painted, load_size, enlarge) -> None:
    entry, labels = painted
    dataset = PairDataset([entry], labels, (60, 72), load_size=load_size, enlarge=enlarge)
    seen = []
    for epoch in range(12):
        image, indices, instances = dataset[epoch, 0]
        red, green, _ = ((image.numpy() + 1) * 127.5 / 20).round().astype(int)
        indices, instances = indices.numpy(), instances.numpy()
        # Where blocks meet, the image's colors are mixtures.
        inside = cv2.erode(
            (cv2.Laplacian(instances.astype(float), -1) == 0).astype(np.uint8), np.ones((3, 3))
        )
        assert inside.mean() > 0.3
        assert (red == indices)[inside > 0].all()
        assert (green == instances % 1000)[inside > 0].all()
        assert (indices == instances // 1000).all(), "both by the same nearest rule"
        seen.append(image.numpy().tobytes())
    assert len(set(seen)) == 12


def test_half_of_the_samples_are_mirrored(painted) -> None:
    entry, labels = painted
    options = {"load_size": None, "enlarge": (1.0, 1.0)}
    mirroring = PairDataset([entry], labels, (144, 192), **options)
    straight = PairDataset([entry], labels, (144, 192), flip=False, **options)[0, 0]
    mirrored = 0
    for epoch in range(40):
        sample = mirroring[epoch, 0]
        if not torch.equal(sample.image, straight.image):
            assert all(torch.equal(a, b.flip(-1)) for a, b in zip(sample, straight, strict=True))
            mirrored += 1
    assert 10 <= mirrored <= 30


def test_samples_have_the_size_types_and_range_promised(pairs) -> None:
    dataset = samples(pairs, enlarge=(1.0, 1.5))
    for epoch in range(4):
        image, labels, instances = dataset[epoch, 1]
        assert (image.shape, image.dtype) == ((3, 32, 32), torch.float32)
        assert -1 <= image.min() <= image.max() <= 1
        assert (labels.shape, labels.dtype) == ((32, 32), torch.uint8)
        assert (instances.shape, instances.dtype) == ((32, 32), torch.int32)
        assert not instances.any()


def test_a_sample_is_a_function_of_seed_epoch_and_index(pairs) -> None:
    first, again, other_seed = samples(pairs, seed=3), samples(pairs, seed=3), samples(pairs, seed=4)
    assert torch.equal(first[2, 1].image, again[2, 1].image)
    assert not torch.equal(first[2, 1].image, first[3, 1].image)
    assert not torch.equal(first[2, 1].image, other_seed[2, 1].image)


def test_images_of_any_depth_and_channels_are_read_as_rgb_bytes(tmp_path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    alpha = np.dstack([rgb[:, :, ::-1], rgb[:, :, 0]])
    assert np.array_equal(read_image(write_array(tmp_path / "8.png", rgb)), rgb)
    assert np.array_equal(read_image(write_array(tmp_path / "16.png", rgb.astype(np.uint16) * 256 + 99)), rgb)
    cv2.imwrite(str(tmp_path / "alpha.png"), alpha)
    assert np.array_equal(read_image(tmp_path / "alpha.png"), rgb)
    for suffix in ("png", "jpg"):
        gray = read_image(write_array(tmp_path / f"gray.{suffix}", rgb[:, :, 0]))
        assert gray.shape == (8, 9, 3)
        assert np.array_equal(gray[:, :, 0], gray[:, :, 2])


def test_a_cameras_orientation_does_not_turn_an_image_away_from_its_labels(tmp_path) -> None:
    path = write_array(tmp_path / "image.jpg", np.zeros((8, 16, 3), np.uint8))
    data = path.read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    assert cv2.imread(str(path)).shape == (16, 8, 3), "OpenCV sees the orientation"
    assert read_image(path).shape == (8, 16, 3)


@pytest.mark.parametrize(
    "options",
    [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)],
    ids=["baseline", "progressive", "restart markers"],
)
def test_a_jpeg_is_whole_up_to_its_last_marker(options) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3)).astype(np.uint8)
    data = cv2.imencode(".jpg", noise, options)[1].tobytes()
    assert is_whole_jpeg(data)
    assert is_whole_jpeg(data + b"\0" * 100)
    for length in (*range(0, len(data), 37), len(data) - 1):
        assert not is_whole_jpeg(data[:length])


def test_real_jpegs_are_whole(data_folder) -> None:
    paths = [*data_folder.glob("coco_stuff_sample/*_img/*.jpg"), *data_folder.glob("camvid/val/images/*.jpg")]
    assert len(paths) == 21 + 101
    assert all(is_whole_jpeg(path.read_bytes()) for path in paths)


def test_maps_of_another_size_than_the_image_are_named(pairs) -> None:
    path = pairs / "train" / "labels" / "frame_001.png"
    whole = path.read_bytes()
    cv2.imwrite(str(path), np.zeros((10, 12), np.uint8))
    with pytest.raises(LayoutRTError, match=r"labels/frame_001\.png is 10x12 but its image .* is 48x64"):
        samples(pairs)[0, 1]
    path.write_bytes(whole)
    for i in range(6):
        write_array(pairs / "train" / "instances" / f"frame_{i:03d}.png", np.zeros((48, 60), np.uint8))
    with pytest.raises(LayoutRTError, match=r"instances/frame_001\.png is 48x60 but its image .* is 48x64"):
        samples(pairs)[0, 1]


def test_a_label_outside_the_set_is_named_and_no_damage(pairs) -> None:
    labels = np.zeros((48, 64), np.uint8)
    labels[5, 9] = 77
    write_array(pairs / "train" / "labels" / "frame_001.png", labels)
    with pytest.raises(LayoutRTError, match=r"frame_001\.png has the value 77 at pixel \(x=9, y=5\)"):
        samples(pairs)[0, 1]
    narrow = PairDataset(open_dataset("auto", pairs, "train"), LabelSet("two", CAMVID.labels[:2]), (32, 32))
    with pytest.raises(LayoutRTError, match=r"not a class of label set 'two'; use the label set"):
        narrow[0, 0]


def test_sizes_that_do_not_fit_and_no_entries_are_refused(pairs) -> None:
    with pytest.raises(LayoutRTError, match=r"scaled to 38x51 are smaller than the samples of 40x40"):
        PairDataset(
            open_dataset("auto", pairs, "train"), CAMVID, (40, 40), load_size=(48, 64), enlarge=(0.8, 1.0)
        )
    with pytest.raises(
        LayoutRTError, match=r"enlarge must be a positive minimum, then a maximum, got \(1\.2, 1\.0\)"
    ):
        samples(pairs, enlarge=(1.2, 1.0))
    with pytest.raises(LayoutRTError, match="no entries"):
        PairDataset([], CAMVID, (32, 32))


DAMAGE = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "empty": lambda path: path.write_bytes(b""),
    "absent": lambda path: path.unlink(),
    "changed": lambda path: path.write_bytes(path.read_bytes().replace(b"IDAT", b"IDAt")),
    "of another format": lambda path: path.write_bytes(b"GIF89a" + bytes(50)),
}


@pytest.mark.parametrize("part", ["images", "labels", "instances"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_pair_is_named_and_replaced_by_the_next(tmp_path, caplog, part, damage) -> None:
    for i in range(4):
        for folder, shape in (("images", (16, 16, 3)), ("labels", (16, 16)), ("instances", (16, 16))):
            write_array(tmp_path / folder / f"{i}.png", np.full(shape, i, np.uint8))
    entries = open_dataset("auto", tmp_path, "train")
    # One readable pair stands for the many that keep two damaged ones below 1 %.
    entries = [*entries, *([entries[3]] * 300)]
    dataset = PairDataset(entries, CAMVID, (16, 16))
    for i in (1, 2):
        DAMAGE[damage](tmp_path / part / f"{i}.png")
    for index in (1, 2, 1, 0):
        image, labels, instances = dataset[5, index]
        expected = index and 3
        assert {labels.max().item(), instances.max().item()} == {expected}
        assert image.min() == pytest.approx(expected / 127.5 - 1)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2, "each is named once"
    for i, message in enumerate(caplog.messages, 1):
        assert message.startswith(f"skipping a pair that cannot be read ({i} of 304): ")
        assert f"{part}/{i}.png" in message


def test_more_than_one_percent_of_damage_stops_with_the_count_and_the_last(tmp_path) -> None:
    write_pairs(tmp_path, 4)
    entries = open_dataset("auto", tmp_path, "train")
    entries = [*entries, *([entries[0]] * 196)]
    dataset = PairDataset(entries, CAMVID, (32, 32))
    for i in (1, 3):
        DAMAGE["truncated"](tmp_path / "images" / f"frame_{i:03d}.png")
        dataset[0, i]
    DAMAGE["truncated"](tmp_path / "labels" / "frame_002.png")
    with pytest.raises(
        LayoutRTError,
        match=r"^3 of 200 pairs cannot be read, and more than 1 %.*labels/frame_002\.png is",
    ):
        dataset[0, 2]


def test_one_damaged_pair_of_few_is_above_one_percent(pairs) -> None:
    DAMAGE["truncated"](pairs / "train" / "images" / "frame_001.png")
    dataset = samples(pairs)
    dataset[0, 0]
    with pytest.raises(LayoutRTError, match=r"^1 of 6 pairs cannot be read.* last: .*images/frame_001\.png"):
        dataset[0, 1]
