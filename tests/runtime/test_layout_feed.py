"""From frames to layouts: fitting, mapping between label sets, and smoothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import Label, LabelSet, label_set
from layoutrt.runtime.streaming.label_mapping import label_table
from layoutrt.runtime.streaming.layout_feed import LayoutFeed, fit_frame
from layoutrt.runtime.streaming.layout_smoother import LayoutSmoother
from layoutrt.runtime.streaming.sources.files import ImageFolder
from layoutrt.runtime.streaming.sources.layouts import DriveSource

CAMVID = label_set("camvid")
PAIR = LabelSet("pair", (Label("road", (1, 1, 1), False), Label("rest", (2, 2, 2), False)))


def test_a_frame_is_cut_around_its_middle_and_not_squeezed() -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = 200
    assert (fit_frame(wide, (20, 20)) == 200).all()
    tall = wide.transpose(1, 0, 2)
    assert (fit_frame(np.ascontiguousarray(tall), (20, 20)) == 200).all()
    same = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    assert fit_frame(same, (20, 30)) is same


def test_moments_before_the_one_that_was_taken_are_forgotten() -> None:
    feed = LayoutFeed(DriveSource((32, 32)), (32, 32), limit=5)
    layouts = list(feed)
    assert len(layouts) == 5
    layout_frame = feed.pop(3)
    np.testing.assert_array_equal(layout_frame.labels, layouts[3])
    assert layout_frame.frame is None
    assert layout_frame.segment_ms is None
    with pytest.raises(KeyError):
        feed.pop(1)
    feed.pop(4)


def test_frames_without_a_segmenter_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(LayoutRTError, match="gives frames, not layouts; name a --segmenter"):
        LayoutFeed(ImageFolder(tmp_path), (32, 32))


def test_equal_label_sets_need_no_mapping() -> None:
    assert label_table(CAMVID, CAMVID) is None


def test_different_label_sets_ask_for_a_mapping() -> None:
    with pytest.raises(
        LayoutRTError, match=r"seg gives labels of 'camvid', .* 'pair'; .* --mapping FILE.toml"
    ):
        label_table(CAMVID, PAIR, source="seg")


def test_a_mapping_names_classes_and_what_all_others_become(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('pavement = "road"\n"*" = "rest"\n')
    table = label_table(CAMVID, PAIR, mapping)
    assert table is not None
    expected = [0 if name in ("road", "pavement") else 1 for name in CAMVID.names]
    assert table[: CAMVID.num_classes].tolist() == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('pavement = "road"', "does not say what the class 'sky' of 'camvid' is in 'pair'"),
        ('"*" = "rest"\nriver = "road"', "maps the class 'river', which 'camvid' does not have"),
        ('"*" = "sea"', "to 'sea', which 'pair' does not have; use one of: road, rest"),
        ("road = 3", "maps 'road' to no class"),
        ("road", "is not valid TOML"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused(tmp_path: Path, text: str, words: str) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(text)
    with pytest.raises(LayoutRTError, match=words):
        label_table(CAMVID, PAIR, mapping)
    with pytest.raises(LayoutRTError, match="cannot read the mapping"):
        label_table(CAMVID, PAIR, tmp_path / "absent.toml")


def test_labels_that_flicker_are_held() -> None:
    rng = np.random.default_rng(0)
    truth = np.zeros((40, 40), np.uint8)
    truth[:, 20:] = 3
    smoother = LayoutSmoother(5)
    wrong_before, wrong_after = [], []
    for _ in range(30):
        noisy = np.where(rng.random(truth.shape) < 0.15, 7, truth).astype(np.uint8)
        smooth = smoother.smooth(noisy)
        wrong_before.append((noisy != truth).mean())
        wrong_after.append((smooth != truth).mean())
    assert np.mean(wrong_after[5:]) < 0.2 * np.mean(wrong_before[5:])


def test_a_label_that_stays_is_shown_after_a_majority() -> None:
    smoother = LayoutSmoother(5)
    old, new = np.zeros((4, 4), np.uint8), np.ones((4, 4), np.uint8)
    for _ in range(5):
        smoother.smooth(old)
    shown = [int(smoother.smooth(new)[0, 0]) for _ in range(4)]
    assert shown == [0, 0, 1, 1]


def test_an_edge_that_moves_in_the_frame_is_followed_at_once() -> None:
    smoother = LayoutSmoother(9)
    for column in range(4, 30):
        labels = np.zeros((16, 40), np.uint8)
        labels[:, :column] = 5
        frame = np.where(labels[..., None] == 5, 220, 40).repeat(3, 2).astype(np.uint8)
        shown = smoother.smooth(labels, frame)
    assert (shown != labels).mean() < 0.03


def test_one_frame_smooths_nothing_and_too_many_are_refused() -> None:
    smoother = LayoutSmoother(1)
    rng = np.random.default_rng(0)
    for _ in range(3):
        labels = rng.integers(0, 12, (8, 8), np.uint8)
        assert smoother.smooth(labels) is labels
    for wrong in (0, 16):
        with pytest.raises(LayoutRTError, match="--smooth"):
            LayoutSmoother(wrong)
