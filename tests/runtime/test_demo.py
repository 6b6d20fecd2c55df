"""``layoutrt demo``: from a source to a video, a contact sheet and latencies."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import Label, LabelSet, colorize, label_set, write_layout
from layoutrt.models import shipped_models
from layoutrt.runtime import demo as demo_module
from layoutrt.runtime.demo import run_demo
from layoutrt.runtime.latency import Latencies
from layoutrt.runtime.streaming.contact_sheet import contact_sheet
from layoutrt.runtime.streaming.sources.live_camera import LiveCamera
from layoutrt.runtime.streaming.video import video_writer
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed

CAMVID = label_set("camvid")


FOREIGN_NAME = os.fsdecode(b"stra\xdfe")
"""As an archive in Latin-1 leaves it: not UTF-8."""


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
    # Layout and image, and below them a bar with the times of the stages.
    assert frames[0].shape[0] > 2 * 64
    assert frames[0].shape[1:] == (4 * 96, 3)
    # The left half is the layout; the codec blurs its edges.
    layout = colorize(Drive(CAMVID, 64, 96, seed=3).frame(5), CAMVID).repeat(2, 0).repeat(2, 1)
    assert np.abs(frames[5][:128, :192].astype(int) - layout).mean() < 12
    sheet = cv2.imread(str(out / "contact_sheet.png"))
    assert sheet.shape[1] > 3 * 2 * 96
    assert sheet.shape[0] > 4 * 64
    for word in ("capture", "synthesize", "present", "whole frame", "p50", "p95", "frames/s", "ONNX Runtime"):
        assert word in outcome.out
    assert "segment" not in outcome.out


def test_an_open_model_drives_at_the_size_that_is_asked_for(cli, tiny_dynamic_model, tmp_path):
    arguments = ("demo", "--generator", tiny_dynamic_model, "--frames", 1, "--out", tmp_path, "--no-times")
    assert cli(*arguments, "--size", "32x128").code == 0
    frames, _ = read_video(tmp_path / "drive.mp4")
    assert [frame.shape for frame in frames] == [(64, 512, 3)]


def test_a_size_that_an_open_model_cannot_make_is_refused(refuses, tiny_dynamic_model, tmp_path):
    arguments = ("demo", "--generator", tiny_dynamic_model, "--size", "100x128", "--out", tmp_path / "out")
    refuses(arguments, "cannot make 100x128; give a --size of multiples of 32")


@pytest.mark.parametrize("fps", [0.01, 23.976, 29.97002997, 64.9996, 119.873, 144.1234, 239.6135])
def test_a_video_takes_any_number_of_frames_a_second(tmp_path, fps):
    with video_writer(tmp_path / "video.mp4", (64, 96), fps) as writer:
        for _ in range(3):
            writer.write(np.zeros((64, 96, 3), np.uint8))
    frames, found = read_video(tmp_path / "video.mp4")
    assert len(frames) == 3
    assert found == pytest.approx(fps, abs=0.006)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--size", "128x128"), ("cannot make 128x128", "makes 64x96", "leave --size out")),
        (("--size", "wide"), ("'wide'", "192x256")),
        (("--frames", 0), ("--frames",)),
        (("--fps", 0), ("--fps is 0; give 0.01 to 240",)),
        (("--fps", 0.001), ("--fps is 0.001; give 0.01 to 240",)),
        (("--threads", -1), ("threads",)),
        (("--smooth", 99), ("--smooth is 99",)),
        (("--view", "upside-down"), ("no view 'upside-down'", "overlay")),
        (("--sink", "printer"), ("'printer' is not a sink", "video:FILE")),
        (("--sink", "video:x.gif"), ("must end in .mp4", "x.mp4")),
        (("--source", "absent.mp4"), ("file or folder absent.mp4 does not exist", "camera:0")),
        (("--source", "camera:97"), ("the camera /dev/video97 does not exist",)),
    ],
)
def test_a_demo_that_cannot_run_is_refused(refuses, tiny_model, tmp_path, options, words):
    refuses(("demo", "--generator", tiny_model, "--out", tmp_path / "out", *options), *words)
    assert not (tmp_path / "out").exists()


def test_a_generator_that_the_drive_cannot_feed_is_refused(refuses, tiny_full_model, tmp_path):
    refuses(("demo", "--generator", tiny_full_model, "--out", tmp_path / "out"), "instance ids")


def camvid_like_video(path, generator, count, size=None):
    """A video of images that the generator makes of the drive, as a camera would film them."""
    with Synthesizer(generator, threads=1) as synthesizer:
        height, width = size or synthesizer.size or synthesizer.trained_size
        with video_writer(path, (height, width), 25) as video:
            for index in range(count):
                video.write(synthesizer.render(Drive(CAMVID, height, width, seed=4).frame(index)))
    return path


def test_a_video_goes_through_segmenter_and_generator(cli, tmp_path):
    """The report's rate is the measurement of the README; LAYOUTRT_MIN_FPS demands one."""
    demanded = os.environ.get("LAYOUTRT_MIN_FPS")
    int8 = {"camvid-edge-int8", "camvid-seg-int8"} <= set(shipped_models())
    count = 400 if demanded else 24
    video = camvid_like_video(tmp_path / "street.mp4", "camvid-edge", count)
    generator, segmenter = ("camvid-edge-int8", "camvid-seg-int8") if int8 else ("camvid-edge", "camvid-seg")
    outcome = cli(
        "demo",
        "--source",
        video,
        "--generator",
        generator,
        "--segmenter",
        segmenter,
        "--sink",
        "null",
        "--json",
        "-",
    )
    assert outcome.code == 0, outcome
    report = json.loads(outcome.out)
    assert report["frames"] == count
    assert report["dropped"] == 0
    assert report["segmenter"] == segmenter
    assert (report["size"], report["source_size"]) == ([192, 256], [192, 256])
    assert list(report["stages"]) == ["capture", "segment", "synthesize", "present", "whole frame"]
    assert report["frames_per_second"] == pytest.approx(count / report["elapsed_s"], rel=0.01)
    if demanded:
        print(f"{report['frames_per_second']} frames/s end to end")
        assert report["frames_per_second"] >= float(demanded)


def test_all_three_pictures_of_a_frame_are_shown(tmp_path):
    video = camvid_like_video(tmp_path / "street.mp4", "camvid-edge", 3, size=(64, 96))
    out = tmp_path / "shown.mp4"
    report = run_demo(source=str(video), sink=f"video:{out}", size=(64, 96), show_times=False, fps=10)
    assert report.files == [out, tmp_path / "shown.png"]
    shown, _ = read_video(out)
    given, _ = read_video(video)
    assert len(shown) == 3
    camera, layout, image = np.split(shown[1].astype(int), 3, axis=1)
    larger = cv2.resize(given[1], (192, 128), interpolation=cv2.INTER_LINEAR)
    assert np.abs(camera - larger).mean() < 6
    # Colors of the palette, which the codec blurs.
    assert np.median(np.abs(layout[..., None, :] - CAMVID.palette.astype(int)).sum(-1).min(-1)) < 20
    # The image is made of the layout and not of the frame: like it, but another.
    assert 2 < np.abs(image - camera).mean() < 90


@pytest.mark.parametrize("view", ["image", "overlay"])
def test_the_image_can_be_shown_alone_or_with_the_layout_in_its_corner(tiny_model, tmp_path, view):
    run_demo(
        tiny_model,
        sink=f"video:{tmp_path / 'v.mp4'}",
        view=demo_module.View(view),
        frames=1,
        show_times=False,
    )
    frames, _ = read_video(tmp_path / "v.mp4")
    assert frames[0].shape == (128, 192, 3)
    with Synthesizer(tiny_model) as synthesizer:
        image = synthesizer.render(Drive(CAMVID, 64, 96).frame(0))
    larger = cv2.resize(image, (192, 128), interpolation=cv2.INTER_LINEAR).astype(int)
    differs = np.abs(frames[0].astype(int) - larger).mean(-1)
    assert differs[64:, :96].mean() < 10
    corner = differs[:40, 130:188].mean()
    assert corner > 25 if view == "overlay" else corner < 10


def test_a_latent_is_the_same_for_all_frames(tiny_latent_model, tmp_path):
    write_layout(tmp_path / "in" / "a.png", Drive(CAMVID, 64, 96).frame(0), CAMVID)
    write_layout(tmp_path / "in" / "b.png", Drive(CAMVID, 64, 96).frame(0), CAMVID)
    images = []

    class Keep(demo_module.NullSink):
        def show(self, layout_frame, image, times):
            images.append(image)
            return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_module, "NullSink", Keep)
        run_demo(tiny_latent_model, source=f"labels:{tmp_path / 'in'}", sink="null", seed=3)
    with Synthesizer(tiny_latent_model) as synthesizer:
        expected = synthesizer.render(Drive(CAMVID, 64, 96).frame(0), z=latent_from_seed(3, 16))
    assert len(images) == 2
    for image in images:
        np.testing.assert_array_equal(image, expected)


def test_a_segmenter_of_other_classes_is_refused_until_they_are_mapped(cli, refuses, tmp_path, data_of_trio):
    generator, segmenter, folder = data_of_trio
    arguments = (
        "demo",
        "--generator",
        generator,
        "--segmenter",
        segmenter,
        "--source",
        folder,
        "--sink",
        "null",
    )
    refuses(arguments, "labels of 'trio'", "takes 'camvid'", "--mapping FILE.toml")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('ground = "road"\nsky = "sky"\ncat = "pedestrian"\n"*" = "void"\n')
    assert cli(*arguments, "--mapping", mapping).code == 0


@pytest.fixture
def data_of_trio(tiny_model, tmp_path):
    """A generator of CamVid's classes, a segmenter of three others, and a folder with an image."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    trio = LabelSet(
        "trio", tuple(Label(name, (i, 9, 9), False) for i, name in enumerate(("ground", "sky", "cat")))
    )
    red = helper.make_node("Gather", ["frame", "zero"], ["red"], axis=3)
    third = helper.make_node("Mod", ["red", "three"], ["labels"])
    size = ["batch", "height", "width"]
    graph = helper.make_graph(
        [red, third],
        "segmenter",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [*size, 3])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, size)],
        [
            numpy_helper.from_array(np.array(0, np.int64), "zero"),
            numpy_helper.from_array(np.array(3, np.uint8), "three"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"layoutrt.label_set": trio.to_json()})
    onnx.save(model, tmp_path / "trio.onnx")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.random.default_rng(0).integers(0, 255, (64, 96, 3)))
    return tiny_model, tmp_path / "trio.onnx", tmp_path / "images"


def test_a_generator_is_no_segmenter(refuses, tiny_model, data_of_trio):
    arguments = ("demo", "--generator", tiny_model, "--segmenter", tiny_model, "--source", data_of_trio[2])
    refuses((*arguments, "--sink", "null"), "is not a segmenter", "labels into image")


def test_a_camera_that_comes_back_goes_on_in_the_same_video(tiny_model, tmp_path, monkeypatch):
    clip = camvid_like_video(tmp_path / "clip.mp4", tiny_model, 8)
    made = []

    class Camera:
        """Plays the video once, and is gone then."""

        def __init__(self):
            self._video = cv2.VideoCapture(str(clip))

        def grab(self):
            time.sleep(0.01)
            return self._video.grab()

        def __getattr__(self, name):
            return getattr(self._video, name)

    def open_source(*_arguments, **_options):
        made.append(LiveCamera("camera:0", Camera, first_wait_s=0.02))
        return made[-1]

    monkeypatch.setattr(demo_module, "open_source", open_source)
    report = run_demo(
        tiny_model, source="camera:0", segmenter="camvid-seg", frames=20, fps=25, out=tmp_path / "out"
    )
    assert report.playback.frames == 20
    assert report.reconnects >= 1
    frames, _ = read_video(tmp_path / "out" / "camera.mp4")
    assert frames


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_a_video_that_plays(tiny_model, tmp_path, number):
    options = ["--generator", tiny_model, "--frames", 1_000_000, "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "layoutrt", "demo", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size > 20_000 for path in (tmp_path / "out").glob(".*.mp4")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err == ""
    assert "frames/s end to end" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["contact_sheet.png", "drive.mp4"]
    frames, _ = read_video(tmp_path / "out" / "drive.mp4")
    assert len(frames) >= 5
    # It moves.
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1


def test_a_demo_that_fails_leaves_nothing_behind(refuses, tiny_model, tmp_path):
    folder = tmp_path / "in"
    write_layout(folder / "a.png", Drive(CAMVID, 64, 96).frame(0), CAMVID)
    write_layout(folder / "b.png", Drive(CAMVID, 32, 32).frame(0), CAMVID)
    arguments = ("demo", "--generator", tiny_model, "--source", f"labels:{folder}", "--out", tmp_path / "out")
    refuses(arguments, "b.png is 32x32, but the frames before were 64x96")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_demo_does_not_write_over_what_it_reads(refuses, tiny_model, tmp_path):
    video = camvid_like_video(tmp_path / "street.mp4", tiny_model, 2)
    before = video.read_bytes()
    arguments = ("demo", "--generator", tiny_model, "--source", video)
    refuses((*arguments, "--sink", f"video:{video}"), f"--sink {video} would overwrite {video}")
    refuses((*arguments, "--out", tmp_path), f"--out {video} would overwrite {video}")
    assert video.read_bytes() == before


def test_a_contact_sheet_is_not_written_over_a_layout_that_is_read(refuses, tiny_model, tmp_path):
    layout = tmp_path / "street.png"
    write_layout(layout, Drive(CAMVID, 64, 96).frame(0), CAMVID)
    before = layout.read_bytes()
    sink = ("--sink", f"video:{tmp_path / 'street.mp4'}")
    for source in (layout, tmp_path):
        arguments = ("demo", "--generator", tiny_model, "--source", f"labels:{source}", *sink)
        refuses(arguments, f"would overwrite {layout}, which is read")
    assert layout.read_bytes() == before
    assert list(tmp_path.iterdir()) == [layout]


@pytest.mark.parametrize("kind", ["video", "folder", "out"])
def test_a_name_that_opencv_cannot_take_is_refused(subprocess_cli, tiny_model, tmp_path, kind):
    folder = tmp_path / FOREIGN_NAME
    folder.mkdir()
    given = ("--out", folder)
    if kind == "folder":
        pixels = cv2.imencode(".png", np.zeros((64, 96, 3), np.uint8))[1]
        (folder / "frame.png").write_bytes(pixels.tobytes())
        given = ("--source", folder, "--out", tmp_path / "out")
    elif kind == "video":
        video = camvid_like_video(tmp_path / "street.mp4", tiny_model, 1).rename(folder / "street.mp4")
        given = ("--source", video, "--out", tmp_path / "out")
    done = subprocess_cli("demo", "--generator", tiny_model, "--frames", 1, *given)
    assert done.returncode == 1, done
    assert done.stderr.startswith("error: the name of ")
    assert done.stderr.endswith("is not UTF-8, as OpenCV needs it; rename it\n")


def test_layouts_of_such_a_name_are_shown(subprocess_cli, tiny_model, tmp_path):
    folder = tmp_path / FOREIGN_NAME
    write_layout(folder / "a.png", Drive(CAMVID, 64, 96).frame(0), CAMVID)
    arguments = ("--source", f"labels:{folder}", "--out", tmp_path / "out")
    done = subprocess_cli("demo", "--generator", tiny_model, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "contact_sheet.png").is_file()


def test_a_window_needs_a_screen(refuses, tiny_model, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    refuses(("demo", "--generator", tiny_model, "--sink", "window"), "needs a screen", "--sink web")


def test_a_port_in_use_is_refused(refuses, tiny_model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refuses(
            ("demo", "--generator", tiny_model, "--sink", f"web:{port}"),
            f"port {port}",
            "in use",
            "choose another port",
        )


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


def test_a_stage_that_fails_is_not_counted():
    latencies = Latencies()
    with pytest.raises(RuntimeError), latencies.stage("work"):
        raise RuntimeError
    assert latencies.samples_ms == {}
