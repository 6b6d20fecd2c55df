"""Destinations of a demo's pictures: a window, a video, nowhere (to a browser: `studio.web_sink`)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.streaming.frame_view import FrameView
from layoutrt.runtime.streaming.layout_feed import LayoutFrame
from layoutrt.runtime.streaming.playback import Sink
from layoutrt.runtime.streaming.stage_times import StageTimes
from layoutrt.runtime.streaming.video import VideoWriter, video_writer

_QUIT = {27, ord("q")}
_MOST_REPEATS = 250


class NullSink(Sink):
    """Sink that discards the pictures, for measurements."""

    def show(self, layout_frame: LayoutFrame, image: NDArray[np.uint8], times: StageTimes) -> bool:
        """Discard the image."""
        return True


class VideoSink(Sink):
    """Sink that writes the pictures to a video.

    Args:
        video: writer of the file.
        view: renderer of the pictures.
        fps: frames per second of the video.
        live: keep the times of the frames: repeat a picture if the next is late and leave one out if two
            coincide. Otherwise every picture is written once.
    """

    def __init__(self, video: VideoWriter, view: FrameView, *, fps: float, live: bool) -> None:
        self._video = video
        self._view = view
        self._fps = fps
        self._live = live
        self._started: float | None = None
        self._written = 0

    def show(self, layout_frame: LayoutFrame, image: NDArray[np.uint8], times: StageTimes) -> bool:
        """Write a picture, as often as it is due."""
        repeats = self._due() if self._live else 1
        if repeats:
            picture = self._view.picture(layout_frame, image, times)
            for _ in range(repeats):
                self._video.write(picture)
            self._written += repeats
        return True

    def _due(self) -> int:
        now = time.monotonic()
        if self._started is None:
            self._started = now
        # After a long pause of the camera the video goes on, rather than standing still as long.
        due = int((now - self._started) * self._fps) + 1 - self._written
        if due > _MOST_REPEATS:
            self._started += (due - 1) / self._fps
            due = 1
        return max(0, due)


@contextmanager
def video_sink(path: Path, view: FrameView, *, fps: float, live: bool) -> Iterator[VideoSink]:
    """A video that appears when the block succeeds.

    Raises:
        LayoutRTError: it cannot be written, or does not end in ``.mp4``.
    """
    if path.suffix.lower() != ".mp4":
        raise LayoutRTError(f"--sink video:{path} must end in .mp4; name it {path.with_suffix('.mp4')}")
    with video_writer(path, view.picture_size, fps) as video:
        yield VideoSink(video, view, fps=fps, live=live)


class WindowSink(Sink):
    """Sink that shows the pictures in a window; Escape or q, or closing it, ends the demo."""

    def __init__(self, title: str, view: FrameView) -> None:
        self._title = title
        self._view = view

    def show(self, layout_frame: LayoutFrame, image: NDArray[np.uint8], times: StageTimes) -> bool:
        """Show a picture; False once the window was closed."""
        cv2.imshow(self._title, self._view.picture(layout_frame, image, times)[..., ::-1])
        key = cv2.waitKey(1) & 0xFF
        return key not in _QUIT and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1


@contextmanager
def window_sink(title: str, view: FrameView) -> Iterator[WindowSink]:
    """Open a window on the screen.

    Raises:
        LayoutRTError: the machine has no screen, or OpenCV was built without windows.
    """
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise LayoutRTError(
            "--sink window needs a screen, and there is none (no DISPLAY); use --sink web or video:FILE"
        )
    try:
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        cv2.resizeWindow(title, view.picture_size[1], view.picture_size[0])
    except cv2.error:
        raise LayoutRTError(
            "--sink window: OpenCV cannot open a window here (opencv-python-headless has none); "
            "use --sink web or video:FILE"
        ) from None
    try:
        yield WindowSink(title, view)
    finally:
        cv2.destroyAllWindows()


class SampledSink(Sink):
    """Sink that passes on to another, and keeps some layouts and images for a contact sheet.

    However long the demo, at most twice ``count`` are kept, evenly spread: when there are more, every other
    one is let go, and from then on half as many are taken.
    """

    def __init__(self, sink: Sink, count: int) -> None:
        self._sink = sink
        self._count = count
        self._every = 1
        self._seen = 0
        self._pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    def show(self, layout_frame: LayoutFrame, image: NDArray[np.uint8], times: StageTimes) -> bool:
        """Pass the image on to the other sink."""
        if self._seen % self._every == 0:
            if len(self._pairs) == 2 * self._count:
                del self._pairs[1::2]
                self._every *= 2
            if self._seen % self._every == 0:
                self._pairs.append((layout_frame.labels, image))
        self._seen += 1
        return self._sink.show(layout_frame, image, times)

    def pairs(self) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Up to ``count`` layouts uint8 [H,W] and images uint8 [H,W,3], in order."""
        chosen = np.linspace(0, len(self._pairs) - 1, min(self._count, len(self._pairs))).round().astype(int)
        return [self._pairs[index] for index in chosen.tolist()]
