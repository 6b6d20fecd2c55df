"""``layoutrt demo``: a video, a contact sheet and latencies, all or nothing."""

import cv2
import numpy as np
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import colorize, label_set
from layoutrt.runtime.contact_sheet import contact_sheet
from layoutrt.runtime.latency import Latencies
from layoutrt.runtime.video import video_writer

CAMVID = label_set("camvid")


def read_video(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(frame[..., ::-1])


def test_the_demo_writes_a_video_and_a_contact_sheet(cli, tiny_model, tmp_path):
    out = tmp_path / "out"
    outcome = cli("demo", "--generator", tiny_model, "--frames", 14, "--seed", 3, "--fps", 10, "--out", out)
    assert outcome.code == 0, outcome
    assert sorted(path.name for path in out.iterdir()) == ["contact_sheet.png", "drive.mp4"]
    frames, fps = read_video(out / "drive.mp4")
    assert len(frames) == 14
    assert fps == 10
    assert frames[0].shape == (2 * 64, 4 * 96, 3)
    # The left half is the layout; the codec blurs its edges.
    layout = colorize(Drive(CAMVID, 64, 96, seed=3).frame(5), CAMVID).repeat(2, 0).repeat(2, 1)
    assert np.abs(frames[5][:, :192].astype(int) - layout).mean() < 12
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape[1] > 3 * 2 * 96
    assert sheet.shape[0] > 4 * 64
    for word in (
        "layout",
        "synthesise",
        "write",
        "whole frame",
        "p50",
        "p95",
        "max",
        "frames/s",
        "ONNX Runtime",
    ):
        assert word in outcome.out


def test_an_open_model_drives_at_the_size_that_is_asked_for(cli, tiny_dynamic_model, tmp_path):
    arguments = ("demo", "--generator", tiny_dynamic_model, "--frames", 1, "--out", tmp_path)
    assert cli(*arguments, "--size", "32x128").code == 0
    frames, _ = read_video(tmp_path / "drive.mp4")
    assert [frame.shape for frame in frames] == [(64, 512, 3)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--size", "128x128"), ("128x128", "makes 64x96")),
        (("--size", "wide"), ("'wide'", "192x256")),
        (("--frames", 0), ("--frames",)),
        (("--fps", 0), ("--fps",)),
        (("--threads", -1), ("threads",)),
    ],
)
def test_a_demo_that_cannot_run_is_refused(refuses, tiny_model, tmp_path, options, words):
    refuses(("demo", "--generator", tiny_model, "--out", tmp_path / "out", *options), *words)
    assert not (tmp_path / "out").exists()


def test_a_generator_that_the_drive_cannot_feed_is_refused(refuses, tiny_full_model, tmp_path):
    refuses(("demo", "--generator", tiny_full_model, "--out", tmp_path / "out"), "instance ids")


def test_a_demo_that_is_interrupted_leaves_nothing_behind(cli, tiny_model, tmp_path, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("layoutrt.runtime.video.VideoWriter.write", interrupted)
    assert cli("demo", "--generator", tiny_model, "--frames", 2, "--out", tmp_path / "out").code == 130
    assert list((tmp_path / "out").iterdir()) == []


def test_a_contact_sheet_shows_every_pair_and_a_legend_of_its_classes():
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(4):
        image = rng.integers(0, 256, (20, 30, 3), np.uint8)
        pairs.append((rng.integers(0, 3, (20, 30), np.uint8), image))
    sheet = contact_sheet(pairs, CAMVID, "four", columns=2)
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (20, 30, 3))[:, :, 0]
    for layout, image in pairs:
        for part in (image, colorize(layout, CAMVID)):
            assert (windows == part).all((2, 3, 4)).any()
    legend = sheet[max(np.nonzero((windows == pairs[-1][1]).all((2, 3, 4)))[0]) + 20 :]
    swatches = {tuple(color) for color in legend.reshape(-1, 3).tolist()}
    assert {CAMVID.colors[index] for index in range(3)} <= swatches
    assert CAMVID.colors[8] not in swatches


def test_a_video_refuses_a_frame_of_another_size(tmp_path):
    with (
        pytest.raises(ValueError, match="cannot hold"),
        video_writer(tmp_path / "video.mp4", (32, 32), 25) as video,
    ):
        video.write(np.zeros((16, 32, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_latencies_are_summed_up_by_stage():
    latencies = Latencies()
    latencies.samples_ms = {"fast": [1.0, 2.0, 3.0], "slow": [10.0]}
    summary = latencies.summary()
    assert summary["fast"] == pytest.approx({"p50_ms": 2, "p95_ms": 2.9, "max_ms": 3, "per_second": 500})
    assert latencies.table("times", total="slow").row_count == 2


def test_a_stage_that_fails_is_not_counted():
    latencies = Latencies()
    with pytest.raises(RuntimeError), latencies.stage("work"):
        raise RuntimeError
    assert latencies.samples_ms == {}
