"""The procedural façades: the same row of buildings for everyone, in any order, without end."""

import hashlib
from itertools import islice, pairwise

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.facade import FRAMES_PER_BUILDING, Facades
from layoutrt.layouts import label_set

FACADES = label_set("facades")

# Share of pixels over the training pictures of CMP Facades, in percent.
SHARES = {
    "background": 19.1, "facade": 39.9, "window": 13.1, "door": 1.2, "cornice": 2.8, "sill": 2.2,
    "balcony": 4.2, "blind": 1.8, "deco": 2.0, "molding": 8.8, "pillar": 1.5, "shop": 3.3,
}  # fmt: skip


def facades(height: int = 64, width: int = 64, seed: int = 0) -> Facades:
    return Facades(FACADES, height, width, seed)


def test_two_rows_of_one_seed_are_the_same_and_of_two_seeds_are_not():
    assert (facades(seed=3).frame(40) == facades(seed=3).frame(40)).all()
    assert (facades(seed=3).frame(40) != facades(seed=4).frame(40)).any()


def test_a_frame_does_not_depend_on_the_frames_before_it():
    in_order = list(islice(facades(), 60))
    shuffled = facades()
    for index in (59, 7, 0, 31, 10**6, 7):
        frame = shuffled.frame(index)
        if index < 60:
            assert (frame == in_order[index]).all()


def test_rectangles_are_the_same_integers_on_every_platform():
    digest = hashlib.sha256()
    for polygon in facades(256, 256, seed=1).polygons(1234):
        digest.update(np.array([polygon.label, *polygon.points.ravel()], "<i4").tobytes())
    assert digest.hexdigest()[:16] == "bd39f308cd04c3e4"


@pytest.mark.parametrize("size", [(16, 16), (17, 400), (300, 16), (33, 65), (256, 256), (512, 1024)])
@pytest.mark.parametrize("index", [0, 999])
def test_any_size_gives_buildings(size, index):
    frame = facades(*size).frame(index)
    assert frame.shape == size
    assert frame.dtype == np.uint8
    assert frame.max() < FACADES.num_classes
    assert (frame == FACADES.names.index("facade")).any()


def test_classes_have_about_the_shares_of_real_facades():
    counts = np.zeros(12)
    for seed in range(4):
        row = facades(128, 128, seed)
        for index in range(0, 60 * FRAMES_PER_BUILDING, FRAMES_PER_BUILDING):
            counts += np.bincount(row.frame(index).ravel(), minlength=12)
    shares = dict(zip(FACADES.names, 100 * counts / counts.sum(), strict=True))
    for name, real in SHARES.items():
        assert real / 2 < shares[name] < 2 * real, f"{name}: {shares[name]:.2f} %, CMP Facades {real} %"


def test_consecutive_frames_are_alike_and_never_the_same():
    frames = [facades(256, 256, seed=2).frame(index) for index in range(100, 300, 2)]
    changed = [(a != b).mean() for a, b in pairwise(frames)]
    assert min(changed) > 0
    assert max(changed) < 0.2


def test_a_wide_frame_shows_what_a_square_one_does_and_more():
    square, wide = facades(64, 64, seed=5).frame(3000), facades(64, 192, seed=5).frame(3000)
    assert (wide[:, 64:128] == square).all()


def test_another_label_set_or_too_small_a_size_is_refused():
    with pytest.raises(LayoutRTError, match="not of 'camvid'; use facades"):
        Facades(label_set("camvid"), 64, 64)
    with pytest.raises(LayoutRTError, match="at 15x64; use at least 16x16"):
        Facades(FACADES, 15, 64)
    with pytest.raises(LayoutRTError, match="no frame -1; frames count from 0"):
        facades().frame(-1)
