"""The procedural drive: the same town for everyone, in any order, without end."""

import hashlib
from itertools import islice, pairwise

import numpy as np
import pytest

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set

CAMVID = label_set("camvid")

# Share of pixels over the frames of CamVid, in percent.
CAMVID_SHARES = {
    "sky": 15.8, "building": 24.1, "pole": 1.0, "road": 29.3, "pavement": 6.7, "tree": 11.2, "sign": 1.1,
    "fence": 1.4, "car": 4.6, "pedestrian": 0.6, "bicyclist": 0.5, "void": 3.6,
}  # fmt: skip


def drive(height: int = 48, width: int = 64, seed: int = 0) -> Drive:
    return Drive(CAMVID, height, width, seed)


def test_two_drives_of_one_seed_are_the_same_and_of_two_seeds_are_not():
    assert (drive(seed=3).frame(40) == drive(seed=3).frame(40)).all()
    assert (drive(seed=3).frame(40) != drive(seed=4).frame(40)).any()


def test_a_frame_does_not_depend_on_the_frames_before_it():
    in_order = list(islice(drive(), 60))
    shuffled = drive()
    for index in (59, 7, 0, 31, 10**6, 7):
        frame = shuffled.frame(index)
        if index < 60:
            assert (frame == in_order[index]).all()


def test_iterating_again_starts_again():
    scenes = drive()
    assert (next(iter(scenes)) == next(iter(scenes))).all()


def test_a_frame_is_drawn_from_the_same_integers_on_every_platform():
    """The polygons are pinned and not the pixels, which depend on OpenCV's rules of filling.

    Of each polygon its label and its extent count: OpenCV may also list a hull's corners in another order.
    """
    digest = hashlib.sha256()
    for polygon in drive(seed=1).polygons(1234):
        corners = polygon.points.reshape(-1, 2)
        extent = [polygon.label, *corners.min(axis=0), *corners.max(axis=0)]
        digest.update(np.array(extent, "<i4").tobytes())
    assert digest.hexdigest()[:16] == "7cb871832f4895ae"


@pytest.mark.parametrize("size", [(16, 16), (17, 400), (300, 16), (33, 65), (192, 256), (1024, 2048)])
@pytest.mark.parametrize("index", [0, 999])
def test_any_size_gives_a_street_below_a_sky(size, index):
    frame = drive(*size).frame(index)
    assert frame.shape == size
    assert frame.dtype == np.uint8
    assert frame.max() < CAMVID.num_classes
    assert (frame[-1] == CAMVID.names.index("road")).any()


@pytest.mark.parametrize("index", [10**6, 10**8])
def test_the_drive_has_no_end(index):
    first, second = drive().frame(index), drive().frame(index + 1)
    assert len(np.unique(first)) >= 5
    assert 0 < (first != second).mean() < 0.12


def test_classes_have_about_the_shares_of_real_streets():
    counts = np.zeros(12)
    for seed in range(4):
        scenes = drive(96, 128, seed)
        for index in range(0, 500 * 25, 100):
            counts += np.bincount(scenes.frame(index).ravel(), minlength=12)
    shares = dict(zip(CAMVID.names, 100 * counts / counts.sum(), strict=True))
    for name, real in CAMVID_SHARES.items():
        factor = 2 if real > 5 else 3
        assert real / factor < shares[name] < real * factor, f"{name}: {shares[name]:.2f} %, CamVid {real} %"


def test_consecutive_frames_are_alike():
    scenes = drive(96, 128, seed=2)
    frames = [scenes.frame(index) for index in range(500, 700)]
    changed = [(a != b).mean() for a, b in pairwise(frames)]
    assert np.mean(changed) < 0.12
    assert np.max(changed) < 0.25
    assert np.min(changed) > 0


def test_nothing_large_appears_from_one_frame_to_the_next():
    """A pixel may take a class that was within three pixels of it; what appears in the open may not."""
    scenes = drive(96, 128, seed=5)
    before = scenes.frame(300)
    for index in range(301, 420):
        after = scenes.frame(index)
        new = np.zeros_like(after, bool)
        for label in range(12):
            nearby = np.pad(before == label, 3)
            grown = np.zeros_like(new)
            for dy in range(7):
                for dx in range(7):
                    grown |= nearby[dy : dy + 96, dx : dx + 128]
            new |= (after == label) & ~grown
        inner = new[4:-4, 8:-8]  # at the border things come into view
        assert inner.mean() < 0.01, f"frame {index}"
        before = after


def test_another_label_set_or_too_small_a_size_is_refused():
    with pytest.raises(LayoutRTError, match="not of 'ade20k'; use camvid"):
        Drive(label_set("ade20k"), 64, 64)
    with pytest.raises(LayoutRTError, match="at 15x64; use at least 16x16"):
        Drive(CAMVID, 15, 64)
    with pytest.raises(LayoutRTError, match="no frame -1; frames count from 0"):
        drive().frame(-1)
