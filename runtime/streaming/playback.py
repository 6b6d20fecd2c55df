"""The demo's loop: layouts go to the generator while the next ones are captured and the last is shown."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.pipeline import Pipeline, Policy
from layoutrt.runtime.session import Session
from layoutrt.runtime.streaming.layout_feed import LayoutFeed, LayoutFrame
from layoutrt.runtime.streaming.sources import Source
from layoutrt.runtime.streaming.stage_times import LATENCY, StageTimes
from layoutrt.runtime.synthesizer import Synthesizer

Images = Generator[tuple[int, NDArray[np.uint8], float], None, None]
"""For each image: number of its layout, uint8 [H,W,3] RGB, and the time in the generator in ms."""


class Sink(ABC):
    """Destination of the demo's pictures."""

    @abstractmethod
    def show(self, layout_frame: LayoutFrame, image: NDArray[np.uint8], times: StageTimes) -> bool:
        """Present an image, uint8 [H,W,3] RGB; False if nobody wants more."""


@dataclass
class Playback:
    """Counts and times of a demo."""

    frames: int = 0
    """Images that were presented."""
    dropped: int = 0
    """Layouts that were never synthesized, because newer ones were there."""
    elapsed_s: float = 0.0
    """Time from the start to the last presented image."""
    interrupted: bool = False
    """True if it ended by Ctrl-C."""
    times: StageTimes = field(default_factory=StageTimes)

    @property
    def frames_per_second(self) -> float:
        """End to end, over the whole run."""
        return self.frames / self.elapsed_s if self.elapsed_s > 0 else 0.0


def pipelined(feed: LayoutFeed, generator: Session, size: tuple[int, int], live: bool) -> Images:
    """Images of a feed by the native pipeline: the feed runs on one of its threads, the generator on another.

    Args:
        feed: the layouts.
        generator: whose one input is ``labels``.
        size: (height, width) of the layouts.
        live: synthesize only the newest layout; False synthesizes every layout.

    Raises:
        LayoutRTError: the generator does not fit, or failed; or what the feed raised.
    """
    policy = Policy.LATEST_FRAME_WINS if live else Policy.EVERY_FRAME
    with Pipeline(None, generator, policy=policy, size=size) as pipeline:
        for result in pipeline.run(feed):
            if result.image is None:
                raise LayoutRTError(result.error or "the generator failed; start it again")
            yield result.index, result.image, result.synthesis_ms


def one_by_one(feed: LayoutFeed, synthesizer: Synthesizer, z: NDArray[np.float32] | None = None) -> Images:
    """Images of a feed by a generator that the native pipeline does not take.

    Args:
        feed: the layouts.
        synthesizer: synthesizer with a latent, or of an engine that runs through Python.
        z: float32 [latent], the same for all frames, so that they do not flicker; None without a latent.
    """
    for index, labels in enumerate(feed):
        started = time.perf_counter()
        image = synthesizer.render(labels, z=z)
        yield index, image, (time.perf_counter() - started) * 1e3


def play(
    source: Source,
    feed: LayoutFeed,
    images: Images,
    sink: Sink,
    *,
    limit: int | None = None,
) -> Playback:
    """Show the images of a feed, until it ends or ``source.stop()`` is called.

    Ctrl-C ends it too: the last frames are finished, so that what is written is whole.

    Args:
        source: source that the feed reads.
        feed: has the frames of the images.
        images: images of the feed's layouts.
        sink: shows them.
        limit: number of images; None for all.

    Raises:
        LayoutRTError: the source, a model or the sink failed.
    """
    playback = Playback()
    times = playback.times
    started = time.monotonic()
    try:
        for index, image, synthesis_ms in images:
            layout_frame = feed.pop(index)
            times.add("capture", layout_frame.capture_ms)
            if layout_frame.segment_ms is not None:
                times.add("segment", layout_frame.segment_ms)
            times.add("synthesize", synthesis_ms)
            presenting = time.perf_counter()
            wanted = sink.show(layout_frame, image, times)
            times.add("present", (time.perf_counter() - presenting) * 1e3)
            now = time.monotonic()
            times.add(LATENCY, (now - layout_frame.captured_s) * 1e3)
            times.count_frame()
            playback.frames += 1
            playback.dropped = index + 1 - playback.frames
            playback.elapsed_s = now - started
            if not wanted or playback.frames == limit:
                break
    except KeyboardInterrupt:
        playback.interrupted = True
    finally:
        # First the source, which the thread that reads it may be waiting for.
        source.stop()
        images.close()
    return playback
