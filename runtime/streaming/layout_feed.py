"""Layouts of a source for a generator: fitted, segmented, mapped and smoothed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import resize_layout
from layoutrt.runtime.session import Session
from layoutrt.runtime.streaming.layout_smoother import LayoutSmoother
from layoutrt.runtime.streaming.sources import Source


@dataclass(frozen=True, eq=False)
class LayoutFrame:
    """A frame with its layout and the times of its stages so far."""

    frame: NDArray[np.uint8] | None = field(repr=False)
    """uint8 [H,W,3] RGB, of the feed's size; None if the source gives layouts."""
    labels: NDArray[np.uint8] = field(repr=False)
    """uint8 [H,W], the generator's input."""
    captured_s: float
    """Time of the capture, on the clock of ``time.monotonic``."""
    capture_ms: float
    """Time of reading and fitting."""
    segment_ms: float | None
    """Time of segmenting, mapping and smoothing; None without a segmenter."""


class LayoutFeed:
    """Iterator over the layouts of a source's frames, numbered from 0.

    Args:
        source: source to read, on the thread that iterates.
        size: (height, width) of the layouts. Frames are cut to its shape around their middle and resized;
            layouts are resized to it by nearest sampling.
        segmenter: model from ``frame`` to ``labels``; for sources that give frames.
        table: class index for each of the source's or segmenter's, uint8 [256]; None for the same.
        smoother: None for layouts as they are.
        limit: number of frames; None for all.

    Raises:
        LayoutRTError: the source gives frames, and no segmenter is given.
    """

    def __init__(
        self,
        source: Source,
        size: tuple[int, int],
        *,
        segmenter: Session | None = None,
        table: NDArray[np.uint8] | None = None,
        smoother: LayoutSmoother | None = None,
        limit: int | None = None,
    ) -> None:
        if source.label_set is None and segmenter is None:
            raise LayoutRTError(f"{source.name} gives frames, not layouts; name a --segmenter")
        self.source_size: tuple[int, int] | None = None
        self._source = source
        self._size = size
        self._segmenter = segmenter if source.label_set is None else None
        self._table = table
        self._smoother = smoother
        self._limit = limit
        self._frames: dict[int, LayoutFrame] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        index = 0
        while index != self._limit and (captured := self._source.read()) is not None:
            self.source_size = captured.pixels.shape[:2]
            started = time.perf_counter()
            pixels = captured.pixels
            pixels = resize_layout(pixels, self._size) if pixels.ndim == 2 else fit_frame(pixels, self._size)
            fitted = time.perf_counter()
            frame = None if pixels.ndim == 2 else pixels
            labels = np.ascontiguousarray(pixels) if frame is None else self._segment(frame)
            if self._table is not None:
                labels = self._table[labels]
            if self._smoother is not None:
                labels = self._smoother.smooth(labels, frame)
            layout_frame = LayoutFrame(
                frame,
                labels,
                captured.captured_s,
                captured.capture_ms + (fitted - started) * 1e3,
                None if frame is None else (time.perf_counter() - fitted) * 1e3,
            )
            with self._lock:
                self._frames[index] = layout_frame
            yield labels
            index += 1

    def pop(self, index: int) -> LayoutFrame:
        """Return the frame of layout ``index``, and forget those before it."""
        with self._lock:
            layout_frame = self._frames.pop(index)
            for older in [key for key in self._frames if key < index]:
                del self._frames[older]
        return layout_frame

    def _segment(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        assert self._segmenter is not None
        labels: NDArray[np.uint8] = self._segmenter.run(frame=frame[None])["labels"][0]
        return labels


def fit_frame(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut a frame to the shape of ``size`` around its middle, and resize it.

    Args:
        frame: uint8 [H,W,3].
        size: (height, width).

    Returns:
        uint8 [height,width,3].
    """
    height, width = size
    rows, columns = frame.shape[:2]
    if (rows, columns) == size:
        return frame
    if columns * height > rows * width:
        kept = max(1, round(rows * width / height))
        frame = frame[:, (columns - kept) // 2 :][:, :kept]
    else:
        kept = max(1, round(columns * height / width))
        frame = frame[(rows - kept) // 2 :][:kept]
    smaller = height < frame.shape[0]
    resized = cv2.resize(
        frame, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    return resized.astype(np.uint8, copy=False)
