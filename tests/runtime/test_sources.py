"""Sources of the demo: one interface, the newest frame of cameras, and sentences about what is not there."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set, write_layout
from layoutrt.runtime.streaming.sources import Source, open_source
from layoutrt.runtime.streaming.sources.files import VideoFile
from layoutrt.runtime.streaming.sources.layouts import DriveSource
from layoutrt.runtime.streaming.sources.live_camera import LiveCamera
from layoutrt.runtime.streaming.sources.opencv import csi_pipeline
from layoutrt.runtime.streaming.sources.paced import Paced
from layoutrt.runtime.streaming.sources.uri import without_password

CAMVID = label_set("camvid")
SIZE = (32, 48)


def opened(uri: str | Path, **options: object) -> Source:
    return open_source(str(uri), size=SIZE, label_set=CAMVID, **options)  # type: ignore[arg-type]


def brightness(frame: np.ndarray) -> int:
    return round(float(frame.mean()))


def write_video(path: Path, count: int, codec: str = "MJPG") -> Path:
    """Frames of brightness 10, 20, 30, …"""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 20, SIZE[::-1])
    for index in range(count):
        writer.write(np.full((*SIZE, 3), 10 * (index + 1), np.uint8))
    writer.release()
    return path


def levels(source: Source) -> list[int]:
    found = []
    while (captured := source.read()) is not None:
        found.append(brightness(captured.pixels))
    source.close()
    return found


class Camera:
    """A camera that plays a video again and again, and gives nothing once it has given so many frames."""

    def __init__(self, path: Path, frames: int) -> None:
        self._path = str(path)
        self._video = cv2.VideoCapture(self._path)
        self._left = frames
        self.released = False

    def grab(self) -> bool:
        if self._left == 0:
            return False
        self._left -= 1
        time.sleep(0.005)
        if not self._video.grab():
            self._video = cv2.VideoCapture(self._path)
            return self._video.grab()
        return True

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return self._video.retrieve()

    def get(self, propId: int) -> float:
        return self._video.get(propId)

    def release(self) -> None:
        self.released = True


def test_a_video_gives_its_frames_in_order_and_ends(tmp_path: Path) -> None:
    source = opened(write_video(tmp_path / "five.avi", 5))
    assert source.fps == 20
    assert source.label_set is None
    assert not source.live
    assert levels(source) == pytest.approx([10, 20, 30, 40, 50], abs=2)


def test_colors_of_a_video_are_rgb(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "red.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 20, SIZE[::-1])
    writer.write(np.full((*SIZE, 3), (0, 0, 200), np.uint8))
    writer.release()
    captured = opened(tmp_path / "red.avi").read()
    assert captured is not None
    assert captured.pixels[5, 5].tolist() == pytest.approx([200, 0, 0], abs=6)


def test_images_of_a_folder_come_by_name(tmp_path: Path) -> None:
    for name, level in (("b.jpg", 40), ("a.png", 20), ("c.bmp", 60)):
        cv2.imwrite(str(tmp_path / name), np.full((*SIZE, 3), level, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    assert levels(opened(tmp_path)) == pytest.approx([20, 40, 60], abs=2)


def test_layouts_of_a_folder_need_no_segmenter(tmp_path: Path) -> None:
    layout = Drive(CAMVID, *SIZE).frame(0)
    write_layout(tmp_path / "one.png", layout, CAMVID)
    source = opened(f"labels:{tmp_path}")
    captured = source.read()
    assert source.label_set == CAMVID
    assert captured is not None
    np.testing.assert_array_equal(captured.pixels, layout)
    assert source.read() is None


@pytest.mark.parametrize(
    ("uri", "seed", "length"), [("drive:3", 5, 3), ("drive:2@9", 9, 2), ("drive:@8", 8, None)]
)
def test_a_drive_has_the_seed_and_the_length_it_is_asked_for(uri: str, seed: int, length: int | None) -> None:
    source = opened(uri, seed=5)
    drive = Drive(CAMVID, *SIZE, seed=seed)
    for index in range(length or 4):
        captured = source.read()
        assert captured is not None
        np.testing.assert_array_equal(captured.pixels, drive.frame(index))
    assert (source.read() is None) == (length is not None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: "camera:97", "the camera /dev/video97 does not exist"),
        (lambda folder: "csi:0", "needs an OpenCV with GStreamer"),
        (
            lambda folder: "rtsp://eve:secret@127.0.0.1:9/x",
            r"no video comes from rtsp://eve:\*\*\*@127.0.0.1:9/x",
        ),
        (lambda folder: folder / "absent.mp4", "does not exist"),
        (lambda folder: "webcam:0", "'webcam:0' is not a source; give camera:0"),
        (lambda folder: "drive:0", "'drive:0' is not a drive"),
        (lambda folder: folder, "has no images"),
        (lambda folder: f"labels:{folder}", "has no PNG images"),
    ],
)
def test_a_source_that_is_not_there_is_named(
    tmp_path: Path, make: Callable[[Path], object], words: str
) -> None:
    with pytest.raises(LayoutRTError, match=words) as refused:
        opened(str(make(tmp_path)))
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_video_of_an_absent_codec_is_refused_without_a_word_of_opencv(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write_video(tmp_path / "strange.avi", 3)
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"XQZ7"))
    with pytest.raises(LayoutRTError, match=r"its codec is not in OpenCV .* convert it with: ffmpeg"):
        opened(path)
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(LayoutRTError, match="cannot be decoded"):
        opened(tmp_path / "text.mp4")
    assert capfd.readouterr().err == ""


def test_frames_of_changing_size_are_refused(tmp_path: Path) -> None:
    for name, size in (("a.png", SIZE), ("b.png", (16, 16))):
        cv2.imwrite(str(tmp_path / name), np.zeros((*size, 3), np.uint8))
    source = opened(tmp_path)
    assert source.read() is not None
    with pytest.raises(LayoutRTError, match="16x16, but the frames before were 32x48; convert"):
        source.read()

    class Growing(Camera):
        def retrieve(self) -> tuple[bool, np.ndarray]:
            found, frame = super().retrieve()
            return found, frame if self._left > 2 else frame[:20]

    video = VideoFile(Path("growing.mp4"), Growing(write_video(tmp_path / "five.avi", 5), 5))
    assert video.read() is not None
    with pytest.raises(LayoutRTError, match=r"the video growing.mp4 is 20x48"):
        levels(video)


def test_the_newest_frame_of_a_camera_wins(tmp_path: Path) -> None:
    path = write_video(tmp_path / "many.avi", 20)
    source = LiveCamera("camera:0", lambda: Camera(path, 15), first_wait_s=60)
    deadline = time.monotonic() + 10
    while source.connected and time.monotonic() < deadline:
        time.sleep(0.005)
    newest = source.read()
    assert newest is not None
    assert brightness(newest.pixels) == pytest.approx(150, abs=2)
    source.close()


def test_a_camera_that_disappears_is_found_again_with_growing_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = write_video(tmp_path / "three.avi", 3)
    cameras: list[Camera] = []
    tries: list[float] = []

    def connect() -> Camera:
        tries.append(time.monotonic())
        if 1 < len(tries) < 5:
            raise LayoutRTError("no camera found")
        cameras.append(Camera(path, 3))
        return cameras[-1]

    source = LiveCamera("camera:0", connect, first_wait_s=0.05, longest_wait_s=0.2)
    seen = 0
    deadline = time.monotonic() + 10
    while source.reconnects < 2 and time.monotonic() < deadline:
        seen += source.read() is not None
    source.close()
    assert source.reconnects >= 2
    assert seen >= 2
    assert cameras[0].released
    # Nothing but the camera's log can tell a wait from a machine that is busy.
    said = [record.args[-1] for record in caplog.records if "again in" in record.msg]
    assert said[:4] == [0.05, 0.1, 0.2, 0.2]
    assert (np.diff(tries)[:4] >= said[:4]).all()


def test_a_camera_that_was_never_there_is_an_error_at_once() -> None:
    def absent() -> Camera:
        raise LayoutRTError("the camera /dev/video0 does not exist")

    with pytest.raises(LayoutRTError, match="does not exist"):
        LiveCamera("camera:0", absent)


def test_stopping_ends_a_read_that_waits_for_a_dead_camera(tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.avi", 1)
    source = LiveCamera("camera:0", lambda: Camera(path, 1), first_wait_s=60)
    assert source.read() is not None
    threading.Timer(0.1, source.stop).start()
    started = time.monotonic()
    assert source.read() is None
    assert time.monotonic() - started < 30
    source.close()


def test_a_paced_source_keeps_time_and_passes_over_what_is_late() -> None:
    source = Paced(DriveSource(SIZE, seed=1, length=1000), fps=50)
    drive = Drive(CAMVID, *SIZE, seed=1)
    started = time.monotonic()
    for _ in range(5):
        assert source.read() is not None
    assert time.monotonic() - started >= 4 / 50
    time.sleep(0.4)
    late = source.read()
    assert late is not None
    index = next(i for i in range(5, 1000) if np.array_equal(drive.frame(i), late.pixels))
    assert index >= 20


def test_the_pipeline_of_a_jetson_drops_old_frames_and_names_its_sensor() -> None:
    pipeline = csi_pipeline(1)
    assert pipeline.startswith("nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM)")
    assert pipeline.endswith("appsink drop=true max-buffers=1 sync=false")


def test_an_image_of_more_pixels_than_can_be_decoded_is_refused(tmp_path) -> None:
    png = bytearray(cv2.imencode(".png", np.zeros((4, 4), np.uint8))[1].tobytes())
    # Its header says 50,000 x 50,000, with the right checksum.
    png[16:24] = struct.pack(">II", 50_000, 50_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (tmp_path / "0.png").write_bytes(png)
    with pytest.raises(LayoutRTError, match=r"0\.png cannot be decoded"):
        opened(tmp_path).read()
    with pytest.raises(LayoutRTError, match=r"0\.png cannot be decoded"):
        opened(f"labels:{tmp_path}").read()


def test_a_password_is_not_shown() -> None:
    assert without_password("rtsp://eve:p%40ss@host:554/s") == "rtsp://eve:***@host:554/s"
    assert without_password("rtsp://eve:p@ss@host:554/s") == "rtsp://eve:***@host:554/s"
    assert without_password("rtsp://eve@firm.example:pass@host/s") == "rtsp://eve@firm.example:***@host/s"
    assert without_password("rtsp://host/a:b@c") == "rtsp://host/a:b@c"
    assert without_password("rtsp://eve@host:554/s") == "rtsp://eve@host:554/s"
