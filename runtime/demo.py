"""The demonstration: frames of a source become layouts, and layouts become images, in real time."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.files import check_not_inputs, drawable
from layoutrt.inputs import parse_drive
from layoutrt.models import DEFAULT_GENERATOR
from layoutrt.runtime.streaming.contact_sheet import contact_sheet
from layoutrt.runtime.streaming.demo_models import DemoModels
from layoutrt.runtime.streaming.frame_view import FrameView, View
from layoutrt.runtime.streaming.playback import Playback, Sink, play
from layoutrt.runtime.streaming.sinks import NullSink, SampledSink, video_sink, window_sink
from layoutrt.runtime.streaming.sources import Source, open_source
from layoutrt.runtime.synthesize import write_image

SHEET_FRAMES = 12
DEFAULT_SOURCE = "drive:"
DEFAULT_LENGTH = 240
"""Frames of a drive that is written to a file or measured, and would have no end."""
DEFAULT_PORT = 8000
_SINK = re.compile(r"window|null|video|video:.+|web|web:\d{1,5}")


@dataclass(frozen=True)
class DemoReport:
    """Results of a demo: files, counts and times."""

    files: list[Path]
    backend: str
    model: str
    segmenter: str | None
    source: str
    source_size: tuple[int, int] | None
    size: tuple[int, int]
    reconnects: int
    playback: Playback

    def as_json(self) -> dict[str, Any]:
        """The results as plain values for JSON."""
        playback = self.playback
        return {
            "generator": self.model,
            "segmenter": self.segmenter,
            "backend": self.backend,
            "source": self.source,
            "source_size": self.source_size,
            "size": self.size,
            "frames": playback.frames,
            "dropped": playback.dropped,
            "reconnects": self.reconnects,
            "elapsed_s": round(playback.elapsed_s, 3),
            "frames_per_second": round(playback.frames_per_second, 2),
            "interrupted": playback.interrupted,
            "stages": playback.times.summary(),
            "files": [str(path) for path in self.files],
        }


def run_demo(
    generator: str | Path = DEFAULT_GENERATOR,
    *,
    source: str = DEFAULT_SOURCE,
    segmenter: str | Path | None = None,
    sink: str = "video",
    view: View = View.SIDE_BY_SIDE,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    smooth: int = 1,
    mapping: Path | None = None,
    out: Path = Path("out"),
    fps: float | None = None,
    threads: int | None = None,
    host: str = "127.0.0.1",
    show_times: bool = True,
    announce: Callable[[str], None] = lambda _: None,
) -> DemoReport:
    """Show what a generator makes of a source's frames.

    Args:
        generator: shipped name or ONNX file.
        source: source, see `open_source`.
        segmenter: shipped name or ONNX file, for sources that give frames; the shipped one of the generator's
            classes by default.
        sink: ``video`` (``out/NAME.mp4`` and ``out/contact_sheet.png``), ``video:FILE`` (with a contact sheet
            of the same name beside it), ``window``, ``web``, ``web:PORT`` or ``null``.
        view: arrangement of frame, layout and image.
        frames: number of frames; None for all, and for ``DEFAULT_LENGTH`` of an endless drive that is
            written to a file.
        size: (height, width); the generator's own by default.
        seed: seed of a drive's town, and of the latent, which is the same for all frames.
        smooth: layouts that vote on each pixel; 1 for none.
        mapping: file that maps each class, if the label sets differ.
        out: folder, made where there is none.
        fps: frame rate of the video and of stored frames that are shown; the source's own by default.
        threads: threads of the generator and of the segmenter; shared out among the processors by default.
        host: address that ``web`` listens at.
        show_times: draw frames/s and the times of the stages into the pictures.
        announce: is told what to open in a browser.

    Raises:
        LayoutRTError: a source, model or argument cannot be used, or a file cannot be written.
    """
    if frames is not None and frames < 1:
        raise LayoutRTError(f"--frames is {frames}; give 1 or more")
    if fps is not None and not 0.01 <= fps <= 240:
        raise LayoutRTError(f"--fps is {fps:g}; give 0.01 to 240")
    if not _SINK.fullmatch(sink):
        raise LayoutRTError(f"'{sink}' is not a sink; use window, video:FILE, web, web:PORT or null")
    with ExitStack() as stack:
        models = stack.enter_context(
            DemoModels(generator, size=size, seed=seed, threads=threads, browser=sink.startswith("web"))
        )
        paced = sink == "window" or sink.startswith("web")
        opened = open_source(
            source, size=models.size, label_set=models.label_set, seed=seed, paced=paced, fps=fps
        )
        stack.callback(opened.close)
        drawn = parse_drive(source)
        if frames is None and not paced and drawn and drawn.frames is None:
            frames = DEFAULT_LENGTH
        feed = models.feed(
            opened, segmenter, mapping=mapping, smooth=smooth, limit=None if opened.live else frames
        )
        frame_view = FrameView(
            view,
            models.label_set,
            models.size,
            has_frame=opened.label_set is None,
            show_times=show_times,
        )
        files: list[Path] = []
        entered: AbstractContextManager[Sink]
        if sink.startswith("video"):
            if sink == "video":
                files = [out / f"{_name(source)}.mp4", out / "contact_sheet.png"]
            else:
                path = Path(sink.removeprefix("video:"))
                files = [path, path.with_suffix(".png")]
            check_not_inputs(files, opened.files, "--out" if sink == "video" else "--sink")
            entered = video_sink(files[0], frame_view, fps=fps or opened.fps, live=opened.live)
        elif sink == "window":
            entered = window_sink(drawable(f"layoutrt {models.name}"), frame_view)
        elif sink == "null":
            entered = nullcontext(NullSink())
        else:
            from layoutrt.runtime.studio.web_sink import web_sink

            port = int(sink.partition(":")[2] or DEFAULT_PORT)
            entered = web_sink(models, opened, host=host, port=port, announce=announce)
        with ending_early(opened) as ended, entered as taking:
            sampled = SampledSink(taking, SHEET_FRAMES)
            playback = play(opened, feed, models.images(feed, opened), sampled, limit=frames)
            playback.interrupted |= ended.is_set()
            if playback.frames == 0 and playback.interrupted:
                raise KeyboardInterrupt
            if playback.frames == 0:
                raise LayoutRTError(f"{opened.name} gave no frame; check the source")
        if files:
            height, width = models.size
            heading = f"{models.name}   {height}x{width}   {opened.name}, seed {seed}   layout | image"
            write_image(files[1], contact_sheet(sampled.pairs(), models.label_set, heading))
        return DemoReport(
            files,
            models.backend,
            models.name,
            models.segmenter_name,
            opened.name,
            feed.source_size,
            models.size,
            opened.reconnects,
            playback,
        )


def _name(source: str) -> str:
    """Name of a source's video."""
    kind = re.match(r"(drive|camera|csi|rtsps?|labels):", source)
    return kind[1] if kind else Path(source).resolve().stem


@contextmanager
def ending_early(source: Source) -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM end the source, so that what is written is finished; a second one breaks off.

    Works in the main thread, which alone gets signals; elsewhere it does nothing.

    Yields:
        What is set by such a signal.
    """
    ended = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield ended
        return

    def end(number: int, frame: FrameType | None) -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()
        source.stop()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
