"""The studio as its clients see it: a real server, real WebSockets, one bad client beside good ones."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import colorize, label_set, read_layout, write_layout
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed

pytest.importorskip("fastapi", reason="the extra 'studio' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'studio' is not installed")
client = pytest.importorskip("websockets.sync.client", reason="the extra 'studio' is not installed")
exceptions = pytest.importorskip("websockets.exceptions")

CAMVID = label_set("camvid")
SIZE = (64, 96)
LATENT = 16
IMAGE = struct.Struct("<4sIIHHB3xff")
LARGE = cv2.imencode(".png", np.zeros((400, 400), np.uint8))[1].tobytes()


@pytest.fixture(scope="module")
def studio(run_studio: Callable[..., Any], tiny_latent_model: Path) -> Iterator[Any]:
    options = ("--generator", tiny_latent_model, "--port", 0, "--max-clients", 6, "--max-pixels", 64 * 96)
    with run_studio(*options) as running:
        yield running


def connect(studio: Any, path: str = "ws/paint", **options: Any) -> Any:
    return client.connect(f"ws://127.0.0.1:{studio.port}/{path}", max_size=None, **options)


def paint(
    labels: np.ndarray, number: int = 1, seed: int = 0, styles: int = 0, size: tuple[int, int] | None = None
) -> bytes:
    height, width = size or labels.shape
    return struct.pack("<4sIIHHB3x", b"LRTp", number, seed, height, width, styles) + labels.tobytes()


def image_of(message: bytes) -> tuple[int, int, np.ndarray]:
    """Id, seed and image."""
    magic, number, seed, height, width, *_ = IMAGE.unpack_from(message)
    assert magic == b"LRTi"
    return number, seed, np.frombuffer(message, np.uint8, offset=IMAGE.size).reshape(height, width, 3)


def frame(index: int) -> np.ndarray:
    return Drive(CAMVID, *SIZE).frame(index)


def ask(studio: Any, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=30)
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data, answer.headers


def metric(studio: Any, name: str) -> float:
    for line in ask(studio, "/metrics")[1].decode().splitlines():
        if line.startswith(f"layoutrt_{name} "):
            return float(line.split()[-1])
    return 0.0


def test_an_image_is_that_of_the_synthesizer_and_depends_on_the_seed(studio, tiny_latent_model):
    with connect(studio) as socket_, Synthesizer(tiny_latent_model) as synthesizer:
        for seed in (0, 7):
            socket_.send(paint(frame(3), 40 + seed, seed))
            number, made, image = image_of(socket_.recv(timeout=20))
            assert (number, made) == (40 + seed, seed)
            expected = synthesizer.render(frame(3), z=latent_from_seed(seed, LATENT))
            np.testing.assert_array_equal(image, expected)


def test_styles_are_images_of_consecutive_seeds(studio):
    with connect(studio) as socket_:
        socket_.send(paint(frame(1), 5, seed=10, styles=6))
        messages = [socket_.recv(timeout=20) for _ in range(6)]
    assert [image_of(message)[:2] for message in messages] == [(5, seed) for seed in range(10, 16)]
    assert all(IMAGE.unpack_from(message)[5] == 1 for message in messages)


WRONG = {
    "text": ("paint!", "is text"),
    "noise": (b"\x07" * 400, "is not a layout"),
    "empty": (b"", "is not a layout"),
    "too large": (paint(np.zeros((80, 96), np.uint8)), "at most 6144 pixels"),
    "too few labels": (paint(frame(0)[:-1], 3, size=SIZE), "brings 6048"),
    "another shape": (paint(frame(0).T.copy(), 3), "96x64 but model"),
    "no pixels": (paint(np.zeros((0, 0), np.uint8), 3), "0x0"),
    "unknown class": (paint(np.full(SIZE, 99, np.uint8), 3), "label 99"),
    "too many styles": (paint(frame(0), 3, styles=7), "7 styles"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_bad_message_gets_a_sentence_and_the_next_good_one_an_image(studio, kind):
    message, words = WRONG[kind]
    before = metric(studio, 'errors_total{kind="message"}')
    with connect(studio) as bad, connect(studio) as good:
        bad.send(message)
        answer = json.loads(bad.recv(timeout=20))
        assert words in answer["error"]
        assert answer["id"] == (
            3 if isinstance(message, bytes) and message[4:8] == b"\3\0\0\0" else answer["id"]
        )
        for socket_ in (good, bad):
            socket_.send(paint(frame(2), 9))
            assert image_of(socket_.recv(timeout=20))[0] == 9
    assert metric(studio, 'errors_total{kind="message"}') == before + 1


def test_a_client_that_sends_only_bad_messages_is_disconnected_and_no_other(studio):
    with connect(studio) as bad, connect(studio) as good:
        for _ in range(10):
            bad.send(b"bad")
        answers = [json.loads(bad.recv(timeout=20)) for _ in range(10)]
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            bad.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert "10 in a row" in answers[-1]["error"]
        good.send(paint(frame(2), 9))
        assert image_of(good.recv(timeout=20))[0] == 9


def test_a_message_far_beyond_the_limit_cuts_the_connection(studio):
    with connect(studio) as bad, connect(studio) as good:
        bad.send(bytes(100_000))
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            bad.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        good.send(paint(frame(2), 9))
        assert image_of(good.recv(timeout=20))[0] == 9


def test_the_newest_stroke_wins(studio):
    before = metric(studio, "superseded_total")
    with connect(studio) as socket_:
        for number in range(60):
            socket_.send(paint(frame(number), number))
        images = []
        while not images or images[-1][0] != 59:
            images.append(image_of(socket_.recv(timeout=20)))
    assert len(images) < 60
    assert [number for number, _, _ in images] == sorted(number for number, _, _ in images)
    assert metric(studio, "superseded_total") > before


def test_a_client_that_does_not_read_holds_nobody_up(studio):
    with socket.socket() as deaf:
        # A small window, so that the server's messages have nowhere to go.
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", studio.port))
        head = f"GET /ws/paint HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nUpgrade: websocket\r\n"
        head += "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
        head += "Sec-WebSocket-Version: 13\r\n\r\n"
        deaf.sendall(head.encode())
        message = paint(frame(1))
        masked = struct.pack("!BBH4s", 0x82, 0x80 | 126, len(message), bytes(4)) + message
        with connect(studio) as good:
            for number in range(40):
                deaf.sendall(masked)
                good.send(paint(frame(number), number))
                assert image_of(good.recv(timeout=10))[0] == number


def test_more_clients_than_allowed_are_turned_away(studio):
    deadline = time.monotonic() + 20
    while metric(studio, "clients") and time.monotonic() < deadline:
        time.sleep(0.05)
    with ExitStack() as stack:
        sockets = [stack.enter_context(connect(studio)) for _ in range(6)]
        late = stack.enter_context(connect(studio))
        assert "6 clients already" in json.loads(late.recv(timeout=20))["error"]
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            late.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        sockets[0].send(paint(frame(0), 4))
        assert image_of(sockets[0].recv(timeout=20))[0] == 4


def test_pages_of_other_sites_are_refused(studio):
    with pytest.raises(exceptions.InvalidStatus) as refused:
        connect(studio, origin="http://evil.example")
    assert refused.value.response.status_code == 403
    own = f"http://127.0.0.1:{studio.port}"
    with connect(studio, origin=own) as socket_:
        socket_.send(paint(frame(0)))
        image_of(socket_.recv(timeout=20))
    assert ask(studio, "/healthz", Host="evil.example")[0] == 403
    for origin in ("http://evil.example", "null", "http://[evil"):
        assert ask(studio, "/api/clip", b"", Origin=origin)[0] == 403, origin


def test_every_address_of_the_loopback_refuses_foreign_names(run_studio, tiny_model):
    with run_studio("--generator", tiny_model, "--port", 0, "--host", "127.0.1.1") as studio:
        answers = []
        for host in ("evil.example", "127.0.1.1", "localhost"):
            connection = http.client.HTTPConnection("127.0.1.1", studio.port, timeout=30)
            connection.request("GET", "/healthz", headers={"Host": host})
            answers.append(connection.getresponse().status)
            connection.close()
    assert answers == [403, 200, 200]


@pytest.mark.parametrize("path", ["/api/clip", "/api/layout"])
def test_a_client_that_leaves_while_it_sends_is_no_error(studio, path):
    def answers() -> list[str]:
        return re.findall(rf'"path": "{path}", "status": (\d+)', studio.log())

    before = answers()
    with socket.create_connection(("127.0.0.1", studio.port)) as leaving:
        head = f"POST {path}?height=64&width=96 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 999\r\n\r\n"
        leaving.sendall(head.encode() + b"some")
    deadline = time.monotonic() + 20
    while answers() == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answers() == [*before, "400"]


def test_answers_forbid_requests_that_leave_the_host(studio):
    status, _, headers = ask(studio, "/")
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    for path in ("/docs", "/openapi.json", "/../app.py", "/%2e%2e/app.py"):
        assert ask(studio, path)[0] == 404, path


def test_the_page_has_all_its_files_and_names_no_other_host(studio):
    folder = Path(__file__).parents[2] / "runtime" / "studio" / "static"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".css", ".js", ".svg"}
    for path in files:
        status, data, _ = ask(studio, f"/{path.relative_to(folder)}")
        assert (status, data) == (200, path.read_bytes())
        text = data.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"//[\w-]+\.\w", text), path


def test_health_and_metrics_are_told(studio):
    status, data, _ = ask(studio, "/healthz")
    assert (status, json.loads(data)) == (200, {"status": "ok"})
    with connect(studio) as socket_:
        before = metric(studio, 'frames_total{kind="stroke"}')
        count = metric(studio, "latency_seconds_count")
        assert metric(studio, "clients") >= 1
        socket_.send(paint(frame(0)))
        socket_.recv(timeout=20)
    assert metric(studio, 'frames_total{kind="stroke"}') == before + 1
    assert metric(studio, "latency_seconds_count") == count + 1
    assert metric(studio, 'latency_seconds_bucket{le="+Inf"}') == count + 1
    assert metric(studio, "queue_depth") == 0
    assert metric(studio, "resident_memory_bytes") > 1e7
    headers = ask(studio, "/metrics")[2]
    assert headers["content-type"].startswith("text/plain; version=0.0.4")


METRICS = {
    "layoutrt_frames": "counter",
    "layoutrt_errors": "counter",
    "layoutrt_superseded": "counter",
    "layoutrt_latency_seconds": "histogram",
    "layoutrt_uptime_seconds": "gauge",
    "layoutrt_resident_memory_bytes": "gauge",
    "layoutrt_queue_depth": "gauge",
    "layoutrt_clients": "gauge",
}


def test_prometheus_parses_the_metrics_in_the_format_that_it_asks_for(studio):
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
    from prometheus_client.parser import text_string_to_metric_families as text_format

    with connect(studio) as socket_:
        socket_.send(paint(frame(0)))
        socket_.recv(timeout=20)
    for accept, kind, parse in (
        ("text/plain;version=0.0.4", "text/plain", text_format),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text", open_metrics),
    ):
        _, data, headers = ask(studio, "/metrics", Accept=accept)
        assert headers["content-type"].startswith(f"{kind}; version=")
        families = {family.name: family for family in parse(data.decode())}
        assert METRICS.items() <= {name: family.type for name, family in families.items()}.items()
        assert all(name.startswith("layoutrt_") for name in families), "only the studio's own"
        (strokes,) = [each for each in families["layoutrt_frames"].samples if each.labels["kind"] == "stroke"]
        assert (strokes.name, strokes.value >= 1) == ("layoutrt_frames_total", True)
        buckets = {
            each.labels["le"]: each.value
            for each in families["layoutrt_latency_seconds"].samples
            if each.name.endswith("_bucket")
        }
        assert len(buckets) == 13
        assert list(buckets.values()) == sorted(buckets.values())
        assert not [each for family in families.values() for each in family.samples if "created" in each.name]


def test_a_frame_of_the_drive_and_a_layout_file_can_be_started_from(studio, tmp_path):
    status, data, _ = ask(studio, "/api/drive/7?height=64&width=96&seed=3")
    assert status == 200
    expected = Drive(CAMVID, *SIZE, seed=3).frame(7)
    assert data == expected.tobytes()
    for color in (True, False):
        write_layout(tmp_path / "layout.png", expected.repeat(2, 0).repeat(2, 1), CAMVID, color=color)
        answer = ask(studio, "/api/layout?height=64&width=96", (tmp_path / "layout.png").read_bytes())
        assert answer[:2] == (200, expected.tobytes())


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/layout?height=64&width=96", b"no image", "the file is not a PNG"),
        ("/api/layout?height=64&width=96", bytes(200_000), "more than"),
        ("/api/layout?height=64&width=90", b"", "but model"),
        ("/api/layout?height=64&width=96", LARGE, "give a PNG of at most 98304 pixels"),
        ("/api/drive/1?height=9999&width=9999", None, "is not possible"),
        ("/api/drive/-1?height=64&width=96", None, "no frame -1"),
        ("/api/clip", b"clip", "is not a clip"),
        ("/api/clip", struct.pack("<4sIHHH2x", b"LRTc", 0, 64, 96, 99), "99 layouts"),
    ],
)
def test_a_request_that_is_wrong_gets_a_sentence(studio, path, body, words):
    status, data, _ = ask(studio, path, body)
    assert status == 400
    assert words in json.loads(data)["error"]


@pytest.mark.parametrize(("count", "frames"), [(3, 3 * 6 + 24), (1, 48 + 24)])
def test_a_clip_shows_how_a_layout_was_painted_or_goes_to_the_next_style(studio, tmp_path, count, frames):
    layouts = np.stack([frame(40 * index) for index in range(count)])
    body = struct.pack("<4sIHHH2x", b"LRTc", 0, *SIZE, count) + layouts.tobytes()
    status, data, headers = ask(studio, "/api/clip", body)
    assert (status, headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "clip.mp4").write_bytes(data)
    video = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(read[1][..., ::-1].astype(int))
    assert len(pictures) == frames
    assert pictures[0].shape == (128, 384, 3)
    larger = colorize(layouts[0], CAMVID).repeat(2, 0).repeat(2, 1).astype(int)
    assert np.abs(pictures[0][:, :192] - larger).mean() < 12
    assert np.abs(pictures[0][:, 192:] - pictures[-1][:, 192:]).mean() > 1


def test_strokes_pass_while_a_clip_is_encoded():
    from layoutrt.runtime.studio.clip import clip
    from layoutrt.runtime.studio.protocol import ClipMessage

    async def render(labels: np.ndarray, _: np.ndarray | None) -> np.ndarray:
        return np.zeros((*labels.shape, 3), np.uint8)

    async def play() -> int:
        passed = 0

        async def strokes() -> None:
            nonlocal passed
            while True:
                passed += 1
                await asyncio.sleep(0)

        others = asyncio.create_task(strokes())
        await clip(ClipMessage(0, np.zeros((2, *SIZE), np.uint8)), CAMVID, 0, render)
        others.cancel()
        return passed

    assert asyncio.run(play()) >= 2 * 6 + 24


def parts_of(message: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    (length,) = struct.unpack_from("<I", message)
    head = json.loads(message[4 : 4 + length])
    place, pictures = 4 + length, {}
    for name, size in head["parts"]:
        data = np.frombuffer(message, np.uint8, size, place)
        pictures[name] = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        place += size
    assert place == len(message)
    return head, pictures


def test_the_live_show_runs_while_somebody_watches(studio):
    for _ in range(2):
        with connect(studio, "ws/live") as first, connect(studio, "ws/live") as second:
            for _ in range(6):
                for socket_ in (first, second):
                    head, pictures = parts_of(socket_.recv(timeout=20))
                    socket_.send("next")
            assert set(pictures) == {"layout", "image"}
            colors = {tuple(color) for color in pictures["layout"].reshape(-1, 3).tolist()}
            assert colors <= set(CAMVID.colors)
            assert {"capture", "synthesize", "present", "whole frame"} <= set(head["stages"])
            assert head["frames_per_second"] > 0
        deadline = time.monotonic() + 10
        while metric(studio, "watchers") and time.monotonic() < deadline:
            time.sleep(0.05)
    time.sleep(0.3)
    shown = metric(studio, 'frames_total{kind="live"}')
    time.sleep(0.3)
    assert metric(studio, 'frames_total{kind="live"}') == shown
    while studio.log().count('"live show ended"') < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert studio.log().count('"live show ended"') == 2


def test_a_source_that_ends_is_told_and_a_watcher_that_leaves_then_is_noticed(
    run_studio, tiny_model, tmp_path
):
    for index in range(3):
        write_layout(tmp_path / f"{index}.png", frame(index), CAMVID)
    with run_studio("--generator", tiny_model, "--port", 0, "--source", f"labels:{tmp_path}") as studio:
        with connect(studio, "ws/live") as socket_:
            while not isinstance(message := socket_.recv(timeout=20), str):
                socket_.send("next")
            assert "has ended" in json.loads(message)["ended"]
            socket_.send("next")
            assert metric(studio, "watchers") == 1
        deadline = time.monotonic() + 10
        while metric(studio, "watchers") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert metric(studio, "watchers") == 0


def test_sigterm_ends_it_gracefully_and_logs_are_lines_of_json(run_studio, tiny_model):
    with run_studio("--generator", tiny_model, "--port", 0) as studio, connect(studio) as socket_:
        socket_.send(paint(frame(0)))
        socket_.recv(timeout=20)
        socket_.send("bad")
        socket_.recv(timeout=20)
        studio.process.send_signal(signal.SIGTERM)
        with pytest.raises(exceptions.ConnectionClosed) as closed:
            socket_.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code in (1001, 1012)
        assert studio.process.wait(timeout=20) == 0
    events = [json.loads(line) for line in studio.log().splitlines()]
    assert all({"time", "level", "event"} <= set(event) for event in events)
    names = [event["event"] for event in events]
    assert names[0] == "studio started"
    assert names[-1] == "studio stopped"
    assert {"client came", "bad message", "client left"} <= set(names)


def test_a_studio_that_cannot_start_says_why(refuses, tiny_model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refuses(("studio", "--generator", tiny_model, "--port", port), f"port {port}", "in use")
    start = ("studio", "--generator", tiny_model, "--port", 0)
    refuses((*start, "--source", "absent.mp4"), "file or folder absent.mp4 does not exist")
    refuses((*start, "--host", "no.such.host.invalid"), "not an address of this machine")
    refuses((*start, "--max-pixels", 100), "64x96, more than 100 pixels", "--max-pixels")
    refuses((*start, "--max-clients", 0), "--max-clients")
    refuses(("studio", "--generator", tiny_model, "--port", 99_999), "--port is 99999")


def test_a_studio_without_its_packages_names_the_extra(refuses, monkeypatch):
    import importlib

    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == "fastapi":
            raise ModuleNotFoundError("No module named 'fastapi'", name="fastapi")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    for command in (("studio",), ("demo", "--sink", "web")):
        refuses(command, "'fastapi'", "pip install 'layoutrt[studio]'")


def test_the_demo_can_be_watched_in_a_browser(run_studio, tiny_model):
    options = ("--generator", tiny_model, "--sink", "web:0")
    with run_studio(*options, command="demo") as demo:
        info = json.loads(ask(demo, "/api/info")[1])
        assert info["paint"] is None
        assert info["live"] == {"source": "drive:"}
        with connect(demo, "ws/live") as socket_:
            for _ in range(3):
                _, pictures = parts_of(socket_.recv(timeout=20))
                socket_.send("next")
            assert pictures["image"].shape == (*SIZE, 3)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(timeout=20) == 130


def test_a_layout_that_was_exported_can_be_loaded_again(tmp_path):
    # As a browser writes it: with an alpha channel.
    layout = frame(5)
    rgba = np.dstack([colorize(layout, CAMVID)[..., ::-1], np.full(SIZE, 255, np.uint8)])
    cv2.imwrite(str(tmp_path / "layout.png"), rgba)
    np.testing.assert_array_equal(read_layout(tmp_path / "layout.png", CAMVID), layout)


@contextmanager
def painting(model: Path) -> Iterator[Any]:
    from layoutrt.runtime.studio.painter import Painter

    painter = Painter(model, threads=1)
    try:
        yield painter
    finally:
        painter.close()


def test_a_model_that_reads_instances_gets_the_connected_areas_of_things(tiny_full_model, extra_dont_care):
    from layoutrt.runtime.studio.painter import instances_of

    labels = np.zeros(SIZE, np.uint8)
    labels[:20] = 1
    labels[30:40, 10:20] = labels[30:40, 60:70] = 2
    ids = instances_of(labels, extra_dont_care)
    assert len(np.unique(ids)) == 4
    assert ids[35, 15] != ids[35, 65]
    assert len(np.unique(ids[labels == 1])) == 1
    with painting(tiny_full_model) as painter, Synthesizer(tiny_full_model) as synthesizer:
        expected = synthesizer.render(labels, ids, latent_from_seed(2, synthesizer.latent))
        np.testing.assert_array_equal(painter.image(labels, 2), expected)


def test_an_open_model_offers_sizes_around_the_one_it_was_trained_at(tiny_dynamic_model):
    with painting(tiny_dynamic_model) as painter:
        assert painter.sizes[0] == painter.synthesizer.trained_size
        assert len(painter.sizes) >= 3
        for size in painter.sizes:
            painter.synthesizer.check(np.zeros(size, np.uint8))
