"""The video pipeline: order, policies, failures and ends, on tiny exact models and on the shipped ones."""

from __future__ import annotations

import ctypes
import gc
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.backends import pipeline_bindings as native
from layoutrt.runtime.backends.native_bindings import check
from layoutrt.runtime.pipeline import Pipeline, Policy, Result
from layoutrt.runtime.session import Session

H, W = 8, 12
KNOWN = 100
"""The tiny generator fails on labels from here up."""


def _save(
    path: Path, nodes: list, constants: dict[str, np.ndarray], given: tuple, made: tuple, **metadata: str
):
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(given[0], TensorProto.UINT8, given[1])],
        [helper.make_tensor_value_info(made[0], TensorProto.UINT8, made[1])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {f"layoutrt.{key}": value for key, value in metadata.items()})
    onnx.save(model, path)
    return Session(path, threads=1)


def tiny_segmenter(folder: Path, **metadata: str) -> Session:
    """labels = the red channel."""
    red = helper.make_node("Gather", ["frame", "zero"], ["labels"], axis=3)
    constants = {"zero": np.array(0, np.int64)}
    size = [1, H, W]
    return _save(folder / "seg.onnx", [red], constants, ("frame", [*size, 3]), ("labels", size), **metadata)


def tiny_generator(folder: Path, *, convolutions: int = 0, **metadata: str) -> Session:
    """image = (label, label + 1, label + 2); fails on a label of KNOWN or more; convolutions make it slow."""
    table = np.arange(KNOWN, dtype=np.uint8)[:, None] + np.arange(3, dtype=np.uint8)
    constants: dict[str, np.ndarray] = {"table": table}
    colors = "image" if not convolutions else "colors"
    nodes = [
        helper.make_node("Cast", ["labels"], ["index"], to=TensorProto.INT32),
        helper.make_node("Gather", ["table", "index"], [colors]),
    ]
    if convolutions:
        constants |= {
            "shape": np.array([1, 64, 96, 96], np.int64),
            "weight": np.zeros((64, 64, 3, 3), np.float32),
        }
        nodes += [
            helper.make_node("Cast", ["labels"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["real"], ["largest"], keepdims=0),
            helper.make_node("Expand", ["largest", "shape"], ["x0"]),
            *(
                helper.make_node("Conv", [f"x{i}", "weight"], [f"x{i + 1}"], pads=[1, 1, 1, 1])
                for i in range(convolutions)
            ),
            helper.make_node("ReduceMax", [f"x{convolutions}"], ["nothing"], keepdims=0),
            helper.make_node("Cast", ["nothing"], ["zero"], to=TensorProto.UINT8),
            helper.make_node("Add", ["colors", "zero"], ["image"]),
        ]
    size = [1, H, W]
    return _save(folder / "gen.onnx", nodes, constants, ("labels", size), ("image", [*size, 3]), **metadata)


def numbered(number: int) -> np.ndarray:
    """A frame whose labels are the number."""
    frame = np.full((H, W, 3), 200, np.uint8)
    frame[..., 0] = number
    return frame


def is_numbered(result: Result, number: int) -> bool:
    return bool(
        result.error is None
        and (result.frame == numbered(number)).all()
        and (result.labels == number).all()
        and (result.image == number + np.arange(3)).all()
    )


@pytest.fixture
def segmenter(tmp_path: Path) -> Session:
    return tiny_segmenter(tmp_path)


@pytest.fixture
def generator(tmp_path: Path) -> Session:
    return tiny_generator(tmp_path)


@pytest.fixture
def slow_generator(tmp_path: Path) -> Session:
    return tiny_generator(tmp_path, convolutions=4)


class GatedPipeline:
    """A pipeline through the C API, without segmenter, whose result callback waits to be let on."""

    def __init__(self, generator: Session, policy: Policy, capacity: int = 1) -> None:
        self.library = native.load()
        self.indices: list[int] = []
        self.reached = threading.Event()
        self.gate = threading.Event()
        self._generator = generator
        self._on_result = native.ResultFunction(self._take)
        self.dropped: list[tuple[int, int]] = []
        self._on_drop = native.DropFunction(lambda _, number, stamp: self.dropped.append((number, stamp)))
        size = ctypes.sizeof(native.PipelineOptions)
        options = native.PipelineOptions(
            size, H, W, capacity, policy.value, self._on_result, None, self._on_drop
        )
        self.handle = ctypes.c_void_p()
        check(
            self.library.lrt_pipeline_create(
                None, generator.handle, ctypes.byref(options), ctypes.byref(self.handle)
            )
        )

    def _take(self, _: object, result: ctypes._Pointer) -> None:
        self.indices.append(result.contents.sequence)
        self.reached.set()
        self.gate.wait(30)

    def push(self, timeout_ms: int = -1, stamp: int = 0) -> int:
        labels = np.zeros((H, W), np.uint8)
        return self.library.lrt_pipeline_push(self.handle, labels.ctypes.data, 0, stamp, timeout_ms)

    def block(self) -> None:
        """Push a frame and wait until its result is held up."""
        check(self.push())
        assert self.reached.wait(30)

    def flush(self) -> None:
        self.gate.set()
        check(self.library.lrt_pipeline_flush(self.handle))

    def stats(self) -> native.NativeStats:
        stats = native.NativeStats(ctypes.sizeof(native.NativeStats))
        check(self.library.lrt_pipeline_get_stats(self.handle, ctypes.byref(stats)))
        return stats


@pytest.fixture
def gated(generator: Session) -> Iterator[Callable[..., GatedPipeline]]:
    made: list[GatedPipeline] = []

    def make(policy: Policy, capacity: int = 1) -> GatedPipeline:
        made.append(GatedPipeline(generator, policy, capacity))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.gate.set()
        pipeline.library.lrt_pipeline_destroy(pipeline.handle)


@pytest.mark.parametrize("capacity", [1, 3])
def test_every_frame_comes_out_in_order(segmenter: Session, generator: Session, capacity: int) -> None:
    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME, capacity=capacity) as pipeline:
        results = list(pipeline.run(numbered(number) for number in range(60)))
        stats = pipeline.stats()
    assert [result.index for result in results] == list(range(60))
    assert all(is_numbered(result, result.index) for result in results)
    assert (stats.pushed, stats.done, stats.failed, stats.dropped, stats.inside) == (60, 60, 0, 0, 0)
    assert stats.window == 60
    assert 0 < stats.latency_p50_ms <= stats.latency_p95_ms <= stats.latency_max_ms


def test_a_full_queue_drops_its_oldest_frame_for_the_latest(gated: Callable[..., GatedPipeline]) -> None:
    pipeline = gated(Policy.LATEST_FRAME_WINS, capacity=2)
    pipeline.block()
    for _ in range(20):
        check(pipeline.push())
    stats = pipeline.stats()
    assert (stats.pushed, stats.dropped, stats.inside, stats.frames_waiting) == (21, 18, 3, 2)
    pipeline.flush()
    assert pipeline.indices == [0, 19, 20]


def test_the_producer_waits_where_no_frame_may_be_lost(gated: Callable[..., GatedPipeline]) -> None:
    pipeline = gated(Policy.EVERY_FRAME)
    pipeline.block()
    assert pipeline.push() == native.OK
    assert pipeline.push(timeout_ms=20) == native.TIMEOUT
    waiting = threading.Thread(target=pipeline.push)
    waiting.start()
    pipeline.gate.set()
    waiting.join(30)
    pipeline.flush()
    assert pipeline.indices == [0, 1, 2]
    assert pipeline.stats().pushed == 3


def test_a_push_waits_for_another_one_no_longer_than_it_may(gated: Callable[..., GatedPipeline]) -> None:
    pipeline = gated(Policy.EVERY_FRAME)
    pipeline.block()
    check(pipeline.push())
    told: list[int] = []
    endless = threading.Thread(target=pipeline.push)
    patient = threading.Thread(target=lambda: told.append(pipeline.push(timeout_ms=10)))
    endless.start()
    while pipeline.stats().pushed < 3:  # counted before it waits for room
        time.sleep(0.001)
    patient.start()
    patient.join(15)
    assert told == [native.TIMEOUT]
    pipeline.flush()
    endless.join(30)
    assert pipeline.stats().pushed == 3


def test_flush_waits_for_the_callback(gated: Callable[..., GatedPipeline]) -> None:
    pipeline = gated(Policy.EVERY_FRAME)
    pipeline.block()
    flushed = threading.Event()

    def flush() -> None:
        check(pipeline.library.lrt_pipeline_flush(pipeline.handle))
        flushed.set()

    thread = threading.Thread(target=flush)
    thread.start()
    assert not flushed.wait(0.05)
    pipeline.gate.set()
    assert flushed.wait(30)
    thread.join()


def test_the_latest_frame_wins_before_a_slow_generator(segmenter: Session, slow_generator: Session) -> None:
    with Pipeline(segmenter, slow_generator) as pipeline:
        for number in range(50):
            assert pipeline.push(numbered(number))
            assert pipeline.stats().inside <= pipeline.stats().buffers
        pipeline.flush()
        (result,) = pipeline
        stats = pipeline.stats()
    assert is_numbered(result, 49)
    assert stats.dropped > 0
    assert stats.unread == stats.done - 1
    assert stats.done + stats.dropped == 50


def test_every_frame_that_is_segmented_is_rendered(segmenter: Session, slow_generator: Session) -> None:
    with Pipeline(segmenter, slow_generator, capacity=2) as pipeline:
        for number in range(60):
            pipeline.push(numbered(number))
            time.sleep(0.001)
        pipeline.flush()
        stats = pipeline.stats()
    assert stats.dropped > 0
    assert segmenter.timings.runs == slow_generator.timings.runs == stats.done


@pytest.mark.parametrize("apart", [False, True])
def test_stages_work_at_the_same_time_only_on_processors_of_their_own(tmp_path: Path, apart: bool) -> None:
    processors = native_bindings.load().lrt_default_threads()
    if apart and processors < 2:
        pytest.skip("there is one processor")
    threads = 1 if apart else processors
    tiny_segmenter(tmp_path)
    tiny_generator(tmp_path, convolutions=4)
    with (
        Session(tmp_path / "seg.onnx", threads=threads) as segmenter,
        Session(tmp_path / "gen.onnx", threads=threads) as generator,
        Pipeline(segmenter, generator, capacity=1) as pipeline,
    ):
        stopping = threading.Event()

        def frames() -> Iterator[np.ndarray]:
            while not stopping.is_set():
                yield numbered(1)
                time.sleep(0.0005)

        spans = []
        for result in pipeline.run(frames()):
            # On the clock of the capture: the start of the segmentation, the end of the synthesis.
            begin = result.captured_ns + 1e6 * result.segment_wait_ms
            spans.append((begin, result.captured_ns + 1e6 * result.latency_ms))
            if len(spans) == 30:
                stopping.set()
    overlapping = [after[0] < before[1] for before, after in itertools.pairwise(spans)]
    assert any(overlapping) == apart


def test_each_dropped_frame_is_reported_with_its_stamp(
    generator: Session, gated: Callable[..., GatedPipeline]
) -> None:
    pipeline = gated(Policy.LATEST_FRAME_WINS, capacity=2)
    pipeline.block()
    for stamp in range(1, 7):
        check(pipeline.push(stamp=stamp))
    assert pipeline.dropped == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert pipeline.stats().dropped == 4
    pipeline.flush()
    assert pipeline.indices == [0, 5, 6]
    assert len(pipeline.dropped) == 4


def test_python_is_told_of_dropped_frames_too(generator: Session) -> None:
    dropped: list[int] = []
    with Pipeline(None, generator, on_drop=dropped.append) as pipeline:
        for _ in range(200):
            pipeline.push(np.zeros((H, W), np.uint8))
        pipeline.flush()
        stats = pipeline.stats()
    assert len(dropped) == stats.dropped
    assert dropped == sorted(set(dropped))


def test_buffers_are_made_once(segmenter: Session, generator: Session) -> None:
    with Pipeline(segmenter, generator, capacity=2) as pipeline:
        before = pipeline.stats()
        for number in range(KNOWN):
            pipeline.push(numbered(number))
        pipeline.flush()
        after = pipeline.stats()
    # Three queues and what stands behind each, and the frame that is being brought.
    assert before.buffers == after.buffers == 10
    assert before.buffer_bytes == after.buffer_bytes == 10 * H * W * 7


def test_a_failed_frame_is_reported_and_the_next_goes_on(segmenter: Session, generator: Session) -> None:
    numbers = [1, KNOWN + 1, 2, 255, 3]
    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
        results = list(pipeline.run(numbered(number) for number in numbers))
        stats = pipeline.stats()
    assert [result.index for result in results] == list(range(5))
    for result, number in zip(results, numbers, strict=True):
        if number < KNOWN:
            assert is_numbered(result, number)
        else:
            assert result.image is None
            assert result.error is not None
            assert result.error.startswith(f"the generator failed on frame {result.index}: ")
            assert result.latency_ms == 0
            assert (result.labels == number).all()
    assert (stats.done, stats.failed, stats.window) == (3, 2, 3)


def test_times_follow_each_other(segmenter: Session, slow_generator: Session) -> None:
    with Pipeline(segmenter, slow_generator, policy=Policy.EVERY_FRAME) as pipeline:
        results = list(pipeline.run(numbered(number) for number in range(5)))
        stats = pipeline.stats()
    for result in results:
        parts = (result.segment_wait_ms, result.segment_ms, result.synthesis_wait_ms, result.synthesis_ms)
        assert all(part >= 0 for part in parts)
        assert result.latency_ms == pytest.approx(sum(parts))
        assert result.latency_ms > result.synthesis_ms > 0
    assert all(a.captured_ns < b.captured_ns for a, b in itertools.pairwise(results))
    assert stats.segment_busy_ms == pytest.approx(sum(result.segment_ms for result in results))
    assert stats.synthesis_busy_ms == pytest.approx(sum(result.synthesis_ms for result in results))


def test_a_pipeline_ends_in_the_middle_of_its_work(segmenter: Session, slow_generator: Session) -> None:
    pipeline = Pipeline(segmenter, slow_generator, policy=Policy.EVERY_FRAME, capacity=8)
    errors: list[str] = []

    def read() -> None:
        try:
            while True:
                pipeline.next(timeout_ms=10_000)
        except LayoutRTError as error:
            errors.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(8):
        pipeline.push(numbered(number))
    pipeline.close()
    pipeline.close()
    reader.join(30)
    assert len(errors) == 1
    assert "destroyed" in errors[0]
    for call in (lambda: pipeline.push(numbered(0)), pipeline.next, pipeline.flush, pipeline.stats):
        with pytest.raises(LayoutRTError, match="destroyed"):
            call()


def test_one_thread_can_push_and_read_without_losing_a_frame(segmenter: Session, generator: Session) -> None:
    results = []
    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
        for number in range(40):
            while not pipeline.push(numbered(number), timeout_ms=0):
                results.append(pipeline.next())
        results += pipeline
    assert [result.index for result in results if result is not None] == list(range(40))


def test_frames_with_distant_rows_are_copied_right(segmenter: Session, generator: Session) -> None:
    wide = np.random.default_rng(0).integers(0, KNOWN, (H, W + 5, 3), np.uint8)
    views = [wide[:, 2 : 2 + W], wide[:, 5:][:, ::-1], wide[::-1, :W]]
    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
        results = list(pipeline.run(views))
        for view in views:
            pipeline.push(view)
            results.append(pipeline.next())
    for result, view in zip(results, views + views, strict=True):
        assert result is not None
        assert result.frame is not None
        np.testing.assert_array_equal(result.frame, view)


def test_frames_whose_rows_share_memory_are_copied_right(segmenter: Session, generator: Session) -> None:
    row = np.random.default_rng(0).integers(0, KNOWN, (1, W, 3), np.uint8)
    line = np.arange(W * 3 + H - 1, dtype=np.uint8) % KNOWN
    overlapping = np.lib.stride_tricks.as_strided(line, (H, W, 3), (1, 3, 1))
    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
        for view in (np.broadcast_to(row, (H, W, 3)), overlapping):
            pipeline.push(view)
            result = pipeline.next()
            assert result is not None
            assert result.frame is not None
            np.testing.assert_array_equal(result.frame, view)


def test_what_the_source_raises_comes_after_the_results_before_it(
    segmenter: Session, generator: Session
) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield numbered(0)
        yield numbered(1)
        raise ValueError("the camera is gone")

    seen: list[int] = []

    def take(results: Iterator[Result]) -> None:
        for result in results:
            seen.append(result.index)

    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
        with pytest.raises(ValueError, match="the camera is gone"):
            take(pipeline.run(frames()))
        assert seen == [0, 1]
        with pytest.raises(LayoutRTError, match=r"uint8 \[8, 12, 3\], got uint8 \[8, 12\]"):
            list(pipeline.run([numbered(0)[..., 0]]))
        with pytest.raises(LayoutRTError, match=r"got float32"):
            pipeline.push(numbered(0).astype(np.float32))  # type: ignore[arg-type]
        # It goes on, and an iteration that is left early ends the source.
        endless = (numbered(5) for _ in itertools.count())
        for result in pipeline.run(endless):
            assert is_numbered(result, 5)
            break
        assert [result.index for result in pipeline.run([numbered(9)])] == [pipeline.stats().pushed - 1]


def test_a_pipeline_that_is_forgotten_is_freed_with_its_threads(generator: Session) -> None:
    pipeline = Pipeline(None, generator, policy=Policy.EVERY_FRAME)
    before = len(os.listdir("/proc/self/task"))
    for _ in range(2):
        assert len(list(pipeline.run([np.zeros((H, W), np.uint8)] * 3))) == 3
    freed = weakref.ref(pipeline)
    del pipeline
    gc.collect()
    assert freed() is None
    assert len(os.listdir("/proc/self/task")) < before


def test_a_pipeline_can_be_closed_while_its_source_is_waited_for(
    generator: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = Pipeline(None, generator, policy=Policy.EVERY_FRAME)
    asked, gate = threading.Event(), threading.Event()
    captures: list[weakref.ref[object]] = []
    made = native.CaptureFunction

    def noted(function: Callable[..., int]) -> object:
        capture = made(function)
        captures.append(weakref.ref(capture))
        return capture

    def frames() -> Iterator[np.ndarray]:
        asked.set()
        gate.wait(30)
        yield np.zeros((H, W), np.uint8)

    def close() -> None:
        asked.wait(30)
        pipeline.close()

    monkeypatch.setattr(native, "CaptureFunction", noted)
    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(LayoutRTError, match="destroyed"):
        list(pipeline.run(frames()))
    gc.collect()
    # The pipeline's thread is in it.
    assert captures[0]() is not None
    gate.set()
    closing.join(30)
    assert not closing.is_alive()


def test_a_source_cannot_close_its_pipeline(generator: Session) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield np.zeros((H, W), np.uint8)
        pipeline.close()

    pipeline = Pipeline(None, generator, policy=Policy.EVERY_FRAME)
    with pytest.raises(LayoutRTError, match="cannot close it"):
        list(pipeline.run(frames()))
    assert pipeline.stats().done == 1
    pipeline.close()
    with pytest.raises(LayoutRTError, match="destroyed"):
        pipeline.stats()


def test_frames_cannot_be_pushed_during_a_capture(segmenter: Session, generator: Session) -> None:
    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
        results = pipeline.run(numbered(number) for number in range(30))
        next(results)
        with pytest.raises(LayoutRTError, match="while the pipeline captures"):
            pipeline.push(numbered(0))
        with pytest.raises(LayoutRTError, match="captures frames already"):
            next(pipeline.run([]))
        assert len(list(results)) == 29


def test_a_capture_function_that_fails_gives_one_last_result(generator: Session) -> None:
    library = native.load()
    returns = iter([1, -5])
    capture = native.CaptureFunction(lambda *_: next(returns))
    with Pipeline(None, generator, policy=Policy.EVERY_FRAME) as pipeline:
        check(library.lrt_pipeline_run(pipeline._handle, capture, None))
        first, second = pipeline
    assert first.error is None
    assert second.error == (
        "the capture function failed on frame 1: it returned -5; 1 means a frame, 0 the end"
    )


def test_labels_can_be_given_without_a_segmenter(generator: Session) -> None:
    with Pipeline(None, generator, policy=Policy.EVERY_FRAME) as pipeline:
        (result,) = pipeline.run([np.full((H, W), 7, np.uint8)])
    assert result.frame is None
    assert result.labels is not None
    assert result.image is not None
    assert (result.labels == 7).all()
    assert (result.image == [7, 8, 9]).all()


def test_models_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    camvid, cityscapes = label_set("camvid").to_json(), label_set("cityscapes").to_json()
    segmenter = tiny_segmenter(tmp_path, label_set=cityscapes)
    generator = tiny_generator(tmp_path, label_set=camvid)
    with pytest.raises(LayoutRTError, match=r"labels of 'cityscapes', but the generator .* of 'camvid'"):
        Pipeline(segmenter, generator)
    with pytest.raises(LayoutRTError, match=r"the generator of a pipeline has the one input 'labels'"):
        Pipeline(None, segmenter)
    with pytest.raises(LayoutRTError, match=r"the segmenter of a pipeline has the one input 'frame'"):
        Pipeline(generator, generator)
    with pytest.raises(LayoutRTError, match="takes frames of 8x12, not 16x16"):
        Pipeline(None, generator, size=(16, 16))
    for wrong in ({"size": (0, 3)}, {"size": (20_000, 3)}, {"capacity": 0}, {"capacity": 65}):
        with pytest.raises(LayoutRTError, match="give"):
            Pipeline(None, generator, **wrong)


def test_misuse_of_the_c_api_is_told(gated: Callable[..., GatedPipeline]) -> None:
    pipeline = gated(Policy.LATEST_FRAME_WINS)
    library, handle = pipeline.library, pipeline.handle
    result = ctypes.POINTER(native.NativeResult)()
    with pytest.raises(LayoutRTError, match="pipeline is NULL"):
        check(library.lrt_pipeline_flush(None))
    with pytest.raises(LayoutRTError, match="frame is NULL"):
        check(library.lrt_pipeline_push(handle, None, 0, 0, 0))
    with pytest.raises(LayoutRTError, match="a row of the frame has 12"):
        check(library.lrt_pipeline_push(handle, bytes(H * W), 11, 0, 0))
    with pytest.raises(LayoutRTError, match="capture is NULL"):
        check(library.lrt_pipeline_run(handle, native.CaptureFunction(), None))
    with pytest.raises(LayoutRTError, match="go to options->on_result"):
        check(library.lrt_pipeline_next(handle, ctypes.byref(result), 0))
    with pytest.raises(LayoutRTError, match="struct_size"):
        check(library.lrt_pipeline_get_stats(handle, ctypes.byref(native.NativeStats())))
    check(library.lrt_pipeline_destroy(handle))
    check(library.lrt_pipeline_destroy(None))
    with pytest.raises(LayoutRTError, match="was destroyed"):
        check(library.lrt_pipeline_destroy(handle))


def test_a_callback_cannot_wait_for_its_own_pipeline(generator: Session) -> None:
    library, handle, told = native.load(), ctypes.c_void_p(), []

    def on_result(*_: object) -> None:
        for call in (library.lrt_pipeline_flush, library.lrt_pipeline_destroy):
            with pytest.raises(LayoutRTError) as refused:
                check(call(handle))
            told.append(str(refused.value))

    callback = native.ResultFunction(on_result)
    options = native.PipelineOptions(ctypes.sizeof(native.PipelineOptions), H, W, 0, 0, callback)
    check(library.lrt_pipeline_create(None, generator.handle, ctypes.byref(options), ctypes.byref(handle)))
    check(library.lrt_pipeline_push(handle, bytes(H * W), 0, 0, 0))
    check(library.lrt_pipeline_flush(handle))
    check(library.lrt_pipeline_destroy(handle))
    assert len(told) == 2
    assert all("cannot be called by a callback of the same pipeline" in sentence for sentence in told)


def test_two_pipelines_of_the_shipped_models_equal_sequential_runs() -> None:
    size = (64, 64)
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(6)]
    segmenter = Session(resolve_model("camvid-seg"), threads=1)
    generator = Session(resolve_model("camvid-edge"), threads=1)
    expected = []
    for frame in frames:
        labels = segmenter.run(frame=frame[None])["labels"]
        expected.append((labels[0], generator.run(labels=labels)["image"][0]))
    results: dict[str, list[Result]] = {}

    def render(name: str) -> None:
        with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME, size=size) as pipeline:
            results[name] = list(pipeline.run(frames))

    threads = [threading.Thread(target=render, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for made in (results["one"], results["other"]):
        assert [result.index for result in made] == list(range(6))
        for result, (labels, image) in zip(made, expected, strict=True):
            np.testing.assert_array_equal(result.labels, labels)
            np.testing.assert_array_equal(result.image, image)


def test_a_size_that_a_model_cannot_make_is_reported_with_each_frame() -> None:
    segmenter = Session(resolve_model("camvid-seg"), threads=1)
    generator = Session(resolve_model("camvid-edge"), threads=1)
    with Pipeline(segmenter, generator) as pipeline:
        assert pipeline.size == (192, 256)
    with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME, size=(60, 60)) as pipeline:
        results = list(pipeline.run([np.zeros((60, 60, 3), np.uint8)] * 2))
    assert [result.index for result in results] == [0, 1]
    assert all((result.error or "").startswith("the segmenter failed on frame") for result in results)
