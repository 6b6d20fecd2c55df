"""A network camera over RTSP: a real stream over the loopback, that is cut off and comes back."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from layoutrt.layouts import label_set
from layoutrt.runtime.streaming.sources import open_source
from layoutrt.runtime.streaming.sources.live_camera import LiveCamera

SIZE = (64, 96)
PACKET = 7 * 188
SESSION = """v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=camera\r
c=IN IP4 127.0.0.1\r
t=0 0\r
m=video 0 RTP/AVP 33\r
a=control:track0\r
"""
ANSWERS = {
    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""),
    "DESCRIBE": ("Content-Type: application/sdp\r\n", SESSION),
    "SETUP": ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""),
    "PLAY": ("Session: 1\r\n", ""),
}


class NetworkCamera:
    """Sends a video as MPEG-TS in RTP over RTSP (RFC 2250, RFC 2326), and hangs up at its end."""

    def __init__(self, video: bytes) -> None:
        self._video = video
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://eve:secret@127.0.0.1:{self._server.getsockname()[1]}/street"
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            with connection, connection.makefile("rb") as requests:
                self._talk(connection, requests)

    def _talk(self, connection: socket.socket, requests: object) -> None:
        method = ""
        while method != "PLAY":
            lines = []
            while line := requests.readline().strip():  # type: ignore[attr-defined]
                lines.append(line.decode())
            if not lines:
                return
            method = lines[0].split()[0]
            number = next(line.split(":")[1].strip() for line in lines if line.startswith("CSeq"))
            head, body = ANSWERS.get(method, ("", ""))
            head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{head}Content-Length: {len(body)}\r\n\r\n"
            connection.sendall((head + body).encode())
        try:
            for index, start in enumerate(range(0, len(self._video), PACKET)):
                packet = struct.pack("!BBHII", 0x80, 33, index & 0xFFFF, index * 900, 1)
                packet += self._video[start : start + PACKET]
                connection.sendall(b"$\0" + struct.pack("!H", len(packet)) + packet)
                time.sleep(0.002)
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[NetworkCamera]:
    path = tmp_path / "street.ts"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, SIZE[::-1])
    rng = np.random.default_rng(0)
    for index in range(60):
        frame = np.full((*SIZE, 3), (200, 100, 40 + index), np.uint8)
        frame[:8] = rng.integers(0, 256, (8, SIZE[1], 3))
        writer.write(frame)
    writer.release()
    camera = NetworkCamera(path.read_bytes())
    yield camera
    camera.close()


def test_a_stream_is_shown_and_found_again_when_it_was_cut_off(
    camera: NetworkCamera, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    source = open_source(camera.url, size=SIZE, label_set=label_set("camvid"))
    assert isinstance(source, LiveCamera)
    assert "secret" not in source.name
    frames = 0
    deadline = time.monotonic() + 30
    while (source.reconnects < 1 or frames < 10) and time.monotonic() < deadline:
        captured = source.read()
        assert captured is not None
        frames += 1
    source.close()
    assert source.reconnects >= 1
    assert frames >= 10
    assert camera.connections >= 2
    assert captured.pixels.shape == (*SIZE, 3)
    red, green, blue = captured.pixels[20:].reshape(-1, 3).mean(axis=0)
    assert red < green < blue
    assert capfd.readouterr().err == ""
