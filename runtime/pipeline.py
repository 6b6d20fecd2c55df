"""Video: segmentation and synthesis of consecutive frames, at the same time."""

from __future__ import annotations

import ctypes
import enum
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends import pipeline_bindings as native
from layoutrt.runtime.backends.native_bindings import check
from layoutrt.runtime.session import Session

# How long a native call may wait: the interpreter acts on an interrupt only between calls.
_PATIENCE_MS = 50

# `captures_for`: the handle of the pipeline that this thread captures a frame for.
_thread = threading.local()


class Policy(enum.Enum):
    """Treatment of frames that come faster than they are processed."""

    LATEST_FRAME_WINS = 0
    """A full entrance drops its oldest frame; pushing never waits. All that is segmented is rendered."""
    EVERY_FRAME = 1
    """No frame is dropped; pushing waits for room."""


@dataclass(frozen=True, eq=False)
class Result:
    """Result of a frame."""

    index: int
    """Number of the frame, from 0 in the order of pushing; grows from result to result."""
    frame: NDArray[np.uint8] | None = field(repr=False)
    """uint8 [H,W,3] RGB, as given; None for a pipeline without a segmenter."""
    labels: NDArray[np.uint8] | None = field(repr=False)
    """uint8 [H,W], class indices; None if segmentation failed."""
    image: NDArray[np.uint8] | None = field(repr=False)
    """uint8 [H,W,3] RGB; None if the frame failed."""
    error: str | None
    """Error message of a failed frame; None for others."""
    captured_ns: int
    """Time at which the pipeline was given the frame, on the clock of ``time.monotonic_ns``."""
    segment_wait_ms: float
    """Time from the capture until the segmenter began."""
    segment_ms: float
    """Time in the segmenter; 0 without one."""
    synthesis_wait_ms: float
    """Time from the labels until the generator began."""
    synthesis_ms: float
    """Time in the generator."""
    latency_ms: float
    """Time from the capture to the finished image; 0 for a failed frame."""


@dataclass(frozen=True)
class Stats:
    """Counters of a pipeline so far: ``pushed = done + failed + dropped + inside``."""

    elapsed_ms: float
    """Time since the pipeline was created."""
    pushed: int
    """Frames accepted by the pipeline."""
    done: int
    """Frames that became an image."""
    failed: int
    """Frames whose result is an error."""
    dropped: int
    """Frames dropped before the first stage, for later ones."""
    inside: int
    """Frames that have not come out yet."""
    unread: int
    """Results dropped because they were not read; part of done and failed."""
    segment_busy_ms: float
    """Time spent in the segmenter."""
    synthesis_busy_ms: float
    """Time spent in the generator."""
    frames_waiting: int
    """Frames that wait for the first stage."""
    labels_waiting: int
    """Label maps that wait for the generator; 0 without a segmenter."""
    results_waiting: int
    """Results that wait to be read."""
    window: int
    """Number of images, at most 256, of whose latencies the percentiles are."""
    latency_p50_ms: float
    """Median time from the capture to the finished image; 0 before the first image."""
    latency_p95_ms: float
    """95th percentile of that time."""
    latency_max_ms: float
    """Longest of these times."""
    buffers: int
    """Frames that there is memory for, fixed when the pipeline was made."""
    buffer_bytes: int
    """Memory of all of them, in bytes."""


class Pipeline:
    """Segmenter and generator on the frames of a video, at the same time or in turns.

    The stages share the processors. Sessions that each have a thread for every processor, the default, give
    the lowest latency: with ``LATEST_FRAME_WINS`` the stages then take turns. Sessions with a share of the
    processors, on two of them ``Session(model, threads=1)``, work at the same time: more images per second,
    each of which takes longer. The sessions must stay open as long as the pipeline. Any thread may push; one
    thread reads results.

    Example:
        >>> segmenter, generator = (Session(name, threads=1) for name in ("camvid-seg", "camvid-edge"))
        >>> frames = [np.zeros((192, 256, 3), np.uint8)] * 4
        >>> with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
        ...     [(result.index, result.image.shape) for result in pipeline.run(frames)][-1]
        (3, (192, 256, 3))

    Args:
        segmenter: a model from ``frame`` to ``labels``; None: frames are labels.
        generator: a model from ``labels`` to ``image``, of the same label set.
        policy: treatment of frames that come too fast.
        capacity: frames that may wait before each stage, and results that may wait to be read with
            ``LATEST_FRAME_WINS``; 1 to 64.
        size: (height, width) of the frames; None for the size that the generator has or was trained at.
        on_drop: called with the index of each frame that was dropped for a later one, on the thread that
            brought that one; it must not call the pipeline.

    Attributes:
        size: (height, width) of the frames.

    Raises:
        LayoutRTError: the models do not fit each other or the size, or an argument is out of range.
    """

    def __init__(
        self,
        segmenter: Session | None,
        generator: Session,
        *,
        policy: Policy = Policy.LATEST_FRAME_WINS,
        capacity: int = 1,
        size: tuple[int, int] | None = None,
        on_drop: Callable[[int], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise LayoutRTError(f"the capacity is {capacity}; give 1 to 64")
        if size is not None and min(size) < 1:
            raise LayoutRTError(f"the size is {size[0]}x{size[1]}; give a height and a width from 1 up")
        self._library = native.load()
        self._policy = policy
        height, width = size or (0, 0)
        options = native.PipelineOptions(
            ctypes.sizeof(native.PipelineOptions), height, width, capacity, policy.value
        )
        if on_drop is not None:
            options.on_drop = native.DropFunction(lambda _, index, __: on_drop(index))
        handle = ctypes.c_void_p()
        check(
            self._library.lrt_pipeline_create(
                None if segmenter is None else segmenter.handle,
                generator.handle,
                ctypes.byref(options),
                ctypes.byref(handle),
            )
        )
        self._handle = handle
        # What the threads use lives as long as they do; at the end of the interpreter they end before it.
        self._used: list[object] = [segmenter, generator, options.on_drop]
        self._destroy = weakref.finalize(self, _destroy, self._library, handle, self._used)
        stats = self._native_stats()
        self.size = (int(stats.height), int(stats.width))
        self._shape = self.size if segmenter is None else (*self.size, 3)

    def push(self, frame: NDArray[np.uint8], timeout_ms: float | None = None) -> bool:
        """Copy a frame in.

        With ``EVERY_FRAME`` this waits for room. Results that wait to be read take room too: a thread that
        both pushes and reads gives a timeout, and reads when the frame was not taken.

        Args:
            frame: uint8 [H,W,3] RGB, or without a segmenter uint8 [H,W] labels, of the pipeline's size.
            timeout_ms: longest wait for room; None waits as long as it takes.

        Returns:
            Whether the frame was taken; always with ``LATEST_FRAME_WINS``.

        Raises:
            LayoutRTError: the frame has another shape or dtype, or the pipeline is closed or capturing.
        """
        rows = self._checked(frame)
        deadline = _deadline(timeout_ms)
        while True:
            status = self._library.lrt_pipeline_push(
                self._handle, rows.ctypes.data, rows.strides[0], 0, _patience(deadline)
            )
            if status != native.TIMEOUT:
                check(status)
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False

    def next(self, timeout_ms: float | None = None) -> Result | None:
        """The next result.

        Args:
            timeout_ms: longest wait for a result; None waits as long as frames are inside.

        Returns:
            The result, or None if there was none in time, or none can come.

        Raises:
            LayoutRTError: the pipeline is closed.
        """
        deadline = _deadline(timeout_ms)
        found = ctypes.POINTER(native.NativeResult)()
        while True:
            # Looked at first: a result may come between the two calls, the end of the last frame cannot.
            stats = self._native_stats()
            may_come = stats.inside or stats.capturing or deadline is not None
            status = self._library.lrt_pipeline_next(
                self._handle, ctypes.byref(found), _patience(deadline) if may_come else 0
            )
            if status != native.TIMEOUT:
                check(status)
                return _result(found.contents)
            if not may_come or (deadline is not None and time.monotonic() >= deadline):
                return None

    def __iter__(self) -> Iterator[Result]:
        """Results, until no frame is inside any more."""
        while (result := self.next()) is not None:
            yield result

    def run(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[Result]:
        """Take frames from ``frames`` on a thread of the pipeline, and give the results of all of them.

        With ``LATEST_FRAME_WINS`` frames that do not wait for a camera are taken at full speed and mostly
        dropped. Leaving the iteration early ends the taking after the frame that is being waited for.

        Raises:
            LayoutRTError: a frame has another shape or dtype, or the pipeline is closed or capturing. What
                ``frames`` raises comes after the results of the frames before.
        """
        source = _Source(iter(frames), self._checked, self._shape, self._handle)
        capture = native.CaptureFunction(source.capture)
        check(self._library.lrt_pipeline_run(self._handle, capture, None))
        # The thread of an earlier source has ended.
        self._used[3:] = [capture]
        try:
            yield from self
        finally:
            source.ended = True
            while self._destroy.alive and self.next() is not None:
                pass
            # It refers to the pipeline, which else would never be freed. Where another thread closes the
            # pipeline, the capture may still be in it.
            if self._destroy.alive:
                del self._used[3:]
        if source.error is not None:
            raise source.error

    def flush(self) -> None:
        """Wait until every frame has its result, or was dropped.

        Raises:
            LayoutRTError: the pipeline is closed.
        """
        check(self._library.lrt_pipeline_flush(self._handle))

    def stats(self) -> Stats:
        """Counters of the pipeline so far.

        Raises:
            LayoutRTError: the pipeline is closed.
        """
        stats = self._native_stats()
        return Stats(**{name: getattr(stats, name) for name in Stats.__dataclass_fields__})

    def close(self) -> None:
        """Drop what is inside, after the runs under way, and end the threads. Allowed more than once.

        Raises:
            LayoutRTError: the iterator that frames are taken from calls it, for whose end it would wait.
        """
        if getattr(_thread, "captures_for", None) is self._handle:
            raise LayoutRTError(
                "the source of a pipeline's frames cannot close it; close it on another thread"
            )
        self._destroy()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _native_stats(self) -> native.NativeStats:
        stats = native.NativeStats(ctypes.sizeof(native.NativeStats))
        check(self._library.lrt_pipeline_get_stats(self._handle, ctypes.byref(stats)))
        return stats

    def _checked(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame with its rows packed; only the distance between rows is free."""
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.shape != self._shape:
            got = (
                f"{frame.dtype} {list(frame.shape)}"
                if isinstance(frame, np.ndarray)
                else type(frame).__name__
            )
            raise LayoutRTError(f"a frame of this pipeline is uint8 {list(self._shape)}, got {got}")
        # Rows that share memory, as those of `numpy.broadcast_to`, are copied: 0 bytes from a row to the next
        # would mean something else.
        distant = frame.strides[0] >= math.prod(frame.shape[1:])
        packed = frame.strides[1:] == ((3, 1) if frame.ndim == 3 else (1,))
        return frame if packed and distant else np.ascontiguousarray(frame)


class _Source:
    """Push the frames of an iterator from the capture thread."""

    def __init__(
        self,
        frames: Iterator[NDArray[np.uint8]],
        checked: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
        shape: tuple[int, ...],
        handle: ctypes.c_void_p,
    ) -> None:
        self._handle = handle
        self._frames = frames
        self._checked = checked
        self._shape = shape
        self.ended = False
        self.error: BaseException | None = None

    def capture(self, _: object, memory: int, stride: int, user_stamp: object) -> int:
        _thread.captures_for = self._handle
        try:
            if self.ended:
                return 0
            frame = self._checked(next(self._frames))
        except StopIteration:
            return 0
        except BaseException as error:
            self.error = error
            return 0
        finally:
            _thread.captures_for = None
        target = (ctypes.c_uint8 * (self._shape[0] * stride)).from_address(memory)
        np.ctypeslib.as_array(target).reshape(self._shape)[:] = frame
        return 1


def _destroy(library: ctypes.CDLL, handle: ctypes.c_void_p, used: list[object]) -> None:
    library.lrt_pipeline_destroy(handle)
    used.clear()


def _deadline(timeout_ms: float | None) -> float | None:
    return None if timeout_ms is None else time.monotonic() + timeout_ms / 1e3


def _patience(deadline: float | None) -> int:
    if deadline is None:
        return _PATIENCE_MS
    left_ms = (deadline - time.monotonic()) * 1e3
    return max(0, min(_PATIENCE_MS, round(left_ms)))


def _result(found: native.NativeResult) -> Result:
    height, width = found.height, found.width
    return Result(
        index=found.sequence,
        frame=_copy(found.frame, (height, width, 3)),
        labels=_copy(found.labels, (height, width)),
        image=_copy(found.image, (height, width, 3)),
        error=None if found.status == native.OK else found.error.decode(errors="replace"),
        captured_ns=found.captured_ns,
        segment_wait_ms=found.segment_wait_ms,
        segment_ms=(found.segmented_ns - found.segment_start_ns) / 1e6,
        synthesis_wait_ms=found.synthesis_wait_ms,
        synthesis_ms=(found.synthesized_ns - found.synthesis_start_ns) / 1e6,
        latency_ms=found.latency_ms,
    )


def _copy(memory: int | None, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    if memory is None:
        return None
    array = np.empty(shape, np.uint8)
    ctypes.memmove(array.ctypes.data, memory, array.nbytes)
    return array
