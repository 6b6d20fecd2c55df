"""Runs through the C API: strides, asynchronous runs, timings, and handles that are used wrongly."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from layoutrt.runtime.backends import native_bindings as native

OK, INVALID_ARGUMENT, RUNTIME_ERROR, TIMEOUT = 0, 1, 4, 6
PENDING = 64

Handle = ctypes.c_void_p


@pytest.fixture(scope="module")
def api() -> ctypes.CDLL:
    return native.load()


def save(
    path: Path, nodes: list[onnx.NodeProto], dtype: int, shape: list[str | int], **weights: object
) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", dtype, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


@pytest.fixture(scope="module")
def negative(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = -x, float32 of rank 3."""
    path = tmp_path_factory.mktemp("models") / "negative.onnx"
    return save(path, [helper.make_node("Neg", ["x"], ["y"])], TensorProto.FLOAT, ["a", "b", "c"])


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """y = x + 1 after a loop that takes some 50 ms."""
    step = helper.make_graph(
        [
            helper.make_node("MatMul", ["v", "v"], ["squared"]),
            helper.make_node("Tanh", ["squared"], ["v_out"]),
            helper.make_node("Identity", ["on"], ["on_out"]),
        ],
        "step",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [200, 200]),
        ],
        [
            helper.make_tensor_value_info("on_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v_out", TensorProto.FLOAT, [200, 200]),
        ],
    )
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Add", ["grid", "s"], ["start"]),
        helper.make_node("Loop", ["count", "", "start"], ["end"], body=step),
        helper.make_node("ReduceMin", ["end"], ["m"], keepdims=0),
        helper.make_node("Clip", ["m", "one", "one"], ["exactly_one"]),
        helper.make_node("Add", ["x", "exactly_one"], ["y"]),
    ]
    return save(
        tmp_path_factory.mktemp("models") / "slow.onnx",
        nodes,
        TensorProto.FLOAT,
        ["a", "b", "c"],
        grid=np.zeros((200, 200), np.float32),
        count=np.int64(200),
        one=np.float32(1),
    )


@pytest.fixture
def open_session(api: ctypes.CDLL) -> Iterator[Callable[..., Handle]]:
    opened = []

    def opens(model: Path, **changes: object) -> Handle:
        runtime = native.onnxruntime_library()
        options = native.SessionOptions(
            ctypes.sizeof(native.SessionOptions), os.fsencode(runtime) if runtime else None, 1
        )
        for name, value in changes.items():
            setattr(options, name, value)
        handle = Handle()
        native.check(api.lrt_session_create(os.fsencode(model), ctypes.byref(options), ctypes.byref(handle)))
        opened.append(handle)
        return handle

    yield opens
    for handle in opened:
        api.lrt_session_destroy(handle)


def tensor(
    name: str, array: NDArray, *, strides: tuple[int, ...] | None = None, size: int | None = None
) -> native.NativeTensor:
    """A tensor of the array's dims; strides and buffer size in bytes, where they are given."""
    code = {"float32": 1, "uint8": 2}[array.dtype.name]
    made = native.NativeTensor(name.encode(), code, array.ndim)
    made.dims[: array.ndim] = array.shape
    made.data = array.ctypes.data
    made.size_bytes = array.nbytes if size is None else size
    if strides is not None:
        made.strides[: array.ndim] = strides
    return made


def run(api: ctypes.CDLL, handle: Handle, x: native.NativeTensor, y: native.NativeTensor) -> tuple[int, str]:
    status = api.lrt_session_run(handle, ctypes.byref(x), 1, ctypes.byref(y), 1)
    return status, api.lrt_last_error().decode() if status else ""


def arange(*shape: int) -> NDArray[np.float32]:
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def span(view: NDArray) -> int:
    """Bytes from the first element of a view to the end of its last."""
    return sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True)) + view.itemsize


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda big: big[1:3, 2:5, 1:4], id="window"),
        pytest.param(lambda big: big[:, :, :2], id="padded rows"),
        pytest.param(lambda big: big[::2, ::3, ::2], id="every other"),
        pytest.param(lambda big: big.transpose(2, 0, 1), id="channels first"),
        pytest.param(lambda big: big[1:2, :, :1], id="dimensions of one"),
        pytest.param(lambda big: big.view(np.uint8).reshape(-1)[: 4 * 23], id="rows off alignment"),
    ],
)
def test_strided_tensors_are_read_and_written_in_place(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle], view: Callable[..., NDArray]
) -> None:
    handle = open_session(negative)
    source, target = arange(4, 6, 5), np.full((4, 6, 5), 99, np.float32)
    x, y = view(source), view(target)
    if x.dtype == np.uint8:  # float32 [1,2,3] with rows of 21 bytes, from byte 1 on
        x, y = (np.ndarray((1, 2, 3), np.float32, flat, 1, (42, 21, 4)) for flat in (x, y))
        x[:] = arange(1, 2, 3)
    expected = target.copy()
    view(expected)[...] = 0 if x.ndim != view(expected).ndim else -x
    assert run(
        api,
        handle,
        tensor("x", x, strides=x.strides, size=span(x)),
        tensor("y", y, strides=y.strides, size=span(y)),
    ) == (OK, "")
    np.testing.assert_array_equal(y, -x)
    if view(expected).ndim == 3:  # and nothing else was written
        np.testing.assert_array_equal(target, expected)


def test_rgbx_pixels_need_no_conversion(
    api: ctypes.CDLL, tmp_path: Path, open_session: Callable[..., Handle]
) -> None:
    path = save(
        tmp_path / "m.onnx", [helper.make_node("Identity", ["x"], ["y"])], TensorProto.UINT8, [2, 5, 3]
    )
    handle = open_session(path)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4), np.uint8)
    image = np.zeros((2, 5, 3), np.uint8)
    x = tensor("x", pixels[:, :, :3], strides=(20, 4, 1), size=39)
    assert run(api, handle, x, tensor("y", image)) == (OK, "")
    np.testing.assert_array_equal(image, pixels[:, :, :3])


@pytest.mark.parametrize(
    ("strides", "size", "sentence"),
    [
        ((24, -12, 4), 1000, "not positive"),
        ((24, 0, 4), 1000, "not positive"),
        ((24, 12, 0), 1000, "not positive"),
        ((24, 12, 3), 1000, "share memory"),
        ((24, 8, 4), 1000, "share memory"),
        ((12, 12, 4), 1000, "share memory"),
        ((32, 16, 4), 59, "out of its buffer"),
        ((2**62, 16, 4), 1000, "out of its buffer"),
        ((2**62, 2**63 - 1, 4), 1000, "too large"),
    ],
)
def test_strides_that_cannot_be_are_refused(
    api: ctypes.CDLL,
    negative: Path,
    open_session: Callable[..., Handle],
    strides: tuple[int, ...],
    size: int,
    sentence: str,
) -> None:
    handle = open_session(negative)
    x, y = arange(2, 2, 3), arange(2, 2, 3)
    for name, others in (
        ("x", (tensor("x", x, strides=strides, size=size), tensor("y", y))),
        ("y", (tensor("x", x), tensor("y", y, strides=strides, size=size))),
    ):
        status, error = run(api, handle, *others)
        assert status == INVALID_ARGUMENT
        assert f"'{name}'" in error
        assert sentence in error
    assert run(api, handle, tensor("x", x), tensor("y", y)) == (OK, "")


class Submitted:
    """Keeps what an asynchronous run refers to, and what its callback was told."""

    def __init__(self, api: ctypes.CDLL, then: Callable[[int], None] | None = None) -> None:
        self.api, self.told, self.arrays = api, [], []
        self.thread: int | None = None
        self.callback = native.RunCallback(self.call)
        self.then = then

    def call(self, user_data: int | None, status: int, error: bytes) -> None:
        self.told.append((user_data or 0, status, error.decode()))
        self.thread = threading.get_native_id()
        if self.then is not None:
            self.then(status)

    def submit(self, handle: Handle, x: NDArray, y: NDArray, number: int = 0) -> tuple[int, int]:
        self.arrays += [x, y]
        ticket = ctypes.c_uint64()
        status = self.api.lrt_session_run_async(
            handle,
            ctypes.byref(tensor("x", x)),
            1,
            ctypes.byref(tensor("y", y)),
            1,
            self.callback,
            number,
            ctypes.byref(ticket),
        )
        return status, ticket.value


def test_asynchronous_runs_keep_their_order_and_are_told_of(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle]
) -> None:
    handle = open_session(negative)
    runs = Submitted(api)
    results = [np.zeros((1, 1, 3), np.float32) for _ in range(40)]
    tickets = [runs.submit(handle, arange(1, 1, 3) + i, y, i) for i, y in enumerate(results)]
    assert tickets == [(OK, i + 1) for i in range(40)]
    assert api.lrt_session_wait(handle, 40, -1) == OK
    assert runs.told == [(i, OK, "") for i in range(40)]
    assert runs.thread != threading.get_native_id()
    for i, y in enumerate(results):
        np.testing.assert_array_equal(y, -(arange(1, 1, 3) + i))
    assert api.lrt_session_wait(handle, 3, 0) == OK
    assert api.lrt_session_wait(handle, 0, 0) == OK
    assert api.lrt_session_wait(handle, 41, 0) == INVALID_ARGUMENT
    assert b"no run with ticket 41; the last is 40" in api.lrt_last_error()


def test_waiting_can_time_out_and_a_full_queue_refuses(
    api: ctypes.CDLL, slow: Path, negative: Path, open_session: Callable[..., Handle]
) -> None:
    handle, gate = open_session(slow), threading.Event()
    runs = Submitted(api, lambda _: bool(gate.wait(30)))
    x, y = arange(1, 1, 2), arange(1, 1, 2)
    assert runs.submit(handle, x, y) == (OK, 1)
    assert api.lrt_session_wait(handle, 1, 0) == TIMEOUT
    gate.set()
    assert api.lrt_session_wait(handle, 1, 60_000) == OK
    np.testing.assert_array_equal(y, x + 1)
    # A callback that does not return holds the queue.
    handle, gate = open_session(negative), threading.Event()
    held = Submitted(api, lambda _: bool(gate.wait(30)))
    given = [held.submit(handle, x, y) for _ in range(PENDING + 1)]
    gate.set()
    assert given[:PENDING] == [(OK, i + 1) for i in range(PENDING)]
    assert given[PENDING][0] == INVALID_ARGUMENT
    assert api.lrt_session_wait(handle, 0, 60_000) == OK
    assert held.submit(handle, x, y) == (OK, PENDING + 1)
    assert api.lrt_session_wait(handle, 1, -1) == INVALID_ARGUMENT
    assert b"not kept any more" in api.lrt_last_error()


def test_an_asynchronous_run_is_checked_at_once_and_fails_later(
    api: ctypes.CDLL, tmp_path: Path, open_session: Callable[..., Handle]
) -> None:
    # Its output has the shape of its input reversed, which only the run finds out.
    path = save(
        tmp_path / "m.onnx", [helper.make_node("Transpose", ["x"], ["y"])], TensorProto.FLOAT, ["a", "b"]
    )
    handle = open_session(path)
    runs = Submitted(api)
    assert runs.submit(handle, arange(1, 2, 3), arange(2, 3))[0] == INVALID_ARGUMENT
    assert api.lrt_session_wait(handle, 1, -1) == INVALID_ARGUMENT
    y = native.NativeTensor(b"y")
    x = arange(2, 3)
    assert (
        api.lrt_session_run_async(
            handle, ctypes.byref(tensor("x", x)), 1, ctypes.byref(y), 1, native.RunCallback(), None, None
        )
        == INVALID_ARGUMENT
    )
    assert b"needs memory of the caller" in api.lrt_last_error()
    assert runs.submit(handle, x, arange(2, 3)) == (OK, 1)
    assert runs.submit(handle, x, arange(3, 2)) == (OK, 2)
    assert api.lrt_session_wait(handle, 2, -1) == OK
    status = api.lrt_session_wait(handle, 1, -1)
    assert status in (INVALID_ARGUMENT, RUNTIME_ERROR)
    assert [told[1:] for told in runs.told] == [(status, api.lrt_last_error().decode()), (OK, "")]


def test_timings_cover_every_stage_and_can_be_reset(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle]
) -> None:
    handle = open_session(negative)
    x, y = arange(64, 64, 64), np.zeros((64, 64, 64), np.float32)
    strided = tensor("x", x, strides=(4, 4 * 64, 4 * 64 * 64))
    for _ in range(3):
        assert run(api, handle, strided, tensor("y", y)) == (OK, "")
    timings = native.NativeTimings(ctypes.sizeof(native.NativeTimings))
    assert api.lrt_session_timings(handle, ctypes.byref(timings)) == OK
    assert timings.runs == 3
    last, total = timings.last, timings.sum
    assert last.copy_in_ms > 0
    assert last.engine_ms > 0
    parts = last.wait_ms + last.copy_in_ms + last.engine_ms + last.copy_out_ms
    assert parts <= last.total_ms * 1.001
    assert total.total_ms > last.total_ms
    assert api.lrt_session_reset_timings(handle) == OK
    assert api.lrt_session_timings(handle, ctypes.byref(timings)) == OK
    assert (timings.runs, timings.sum.total_ms) == (0, 0)


def test_time_in_the_queue_is_waiting(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle]
) -> None:
    handle, gate = open_session(negative), threading.Event()
    runs = Submitted(api, lambda _: bool(gate.wait(30)))
    for _ in range(2):
        assert runs.submit(handle, arange(1, 1, 2), arange(1, 1, 2))[0] == OK
    time.sleep(0.02)
    gate.set()
    assert api.lrt_session_wait(handle, 0, -1) == OK
    timings = native.NativeTimings(ctypes.sizeof(native.NativeTimings))
    assert api.lrt_session_timings(handle, ctypes.byref(timings)) == OK
    assert timings.last.wait_ms >= 20
    assert timings.last.total_ms >= timings.last.wait_ms + timings.last.engine_ms


def test_a_dead_session_is_refused_by_every_function(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle]
) -> None:
    handle = open_session(negative)
    assert api.lrt_session_destroy(handle) == OK
    open_session(negative)  # a new one does not take the old one's place
    x = tensor("x", arange(1, 1, 1))
    size, text, count = ctypes.sizeof, ctypes.c_char_p(), ctypes.c_size_t()
    calls = {
        "destroy": (),
        "get_info": (ctypes.byref(native.SessionInfo(size(native.SessionInfo))),),
        "label_set": (ctypes.byref(native.NativeLabelSet(size(native.NativeLabelSet))),),
        "metadata": (b"k", ctypes.byref(text)),
        "metadata_count": (ctypes.byref(count),),
        "metadata_key": (0, ctypes.byref(text)),
        "run": (x, 1, x, 1),
        "run_async": (x, 1, x, 1, native.RunCallback(), None, None),
        "wait": (0, 0),
        "timings": (ctypes.byref(native.NativeTimings(size(native.NativeTimings))),),
        "reset_timings": (),
    }
    for dead in (handle, Handle(8), Handle(2**64 - 16), Handle(ctypes.addressof(x))):
        for name, arguments in calls.items():
            assert getattr(api, f"lrt_session_{name}")(dead, *arguments) == INVALID_ARGUMENT, name
            assert b"was destroyed, or never created" in api.lrt_last_error()


def test_destroying_waits_for_runs_of_other_threads_and_for_submitted_ones(
    api: ctypes.CDLL, slow: Path, open_session: Callable[..., Handle]
) -> None:
    handle = open_session(slow)
    runs = Submitted(api)
    y = np.zeros((1, 1, 2), np.float32)
    outcomes: list[tuple[int, str]] = []

    def work() -> None:
        x, own = arange(1, 1, 2), arange(1, 1, 2)
        while not outcomes or outcomes[-1][0] == OK:
            outcomes.append(run(api, handle, tensor("x", x), tensor("y", own)))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for _ in range(3):
        assert runs.submit(handle, arange(1, 1, 2), y)[0] == OK
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    assert api.lrt_session_destroy(handle) == OK
    assert [told[1] for told in runs.told] == [OK] * 3
    np.testing.assert_array_equal(y, arange(1, 1, 2) + 1)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert outcomes[-1][0] == INVALID_ARGUMENT


def test_a_callback_may_submit_run_and_destroy_but_not_wait(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle]
) -> None:
    handle = open_session(negative)
    x, y, again = arange(1, 1, 2), arange(1, 1, 2), arange(1, 1, 2)
    seen: list[object] = []
    done = threading.Event()

    def first(status: int) -> None:
        seen.append(api.lrt_session_wait(handle, 1, -1))
        seen.append(api.lrt_last_error())
        seen.append(run(api, handle, tensor("x", x), tensor("y", y)))
        seen.append(second.submit(handle, x, again))

    def last(status: int) -> None:
        seen.append(api.lrt_session_destroy(handle))
        seen.append(api.lrt_session_wait(handle, 0, 0))
        done.set()

    second = Submitted(api, last)
    assert Submitted(api).submit(handle, x, y) == (OK, 1)
    assert api.lrt_session_wait(handle, 0, -1) == OK
    keep = Submitted(api, first)
    assert keep.submit(handle, x, y) == (OK, 2)
    assert done.wait(30)
    assert seen[0] == INVALID_ARGUMENT
    assert b"a callback of the session cannot wait" in seen[1]
    assert seen[2:] == [(OK, ""), (OK, 3), OK, INVALID_ARGUMENT]
    np.testing.assert_array_equal(again, -x)


def test_threads_stay_on_the_processors_of_the_affinity(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle]
) -> None:
    usable = sorted(os.sched_getaffinity(0))
    chosen = usable[-1]
    before = set(os.listdir("/proc/self/task"))
    handle = open_session(negative, threads=3, affinity=str(chosen).encode(), spinning=1)
    helpers = set(os.listdir("/proc/self/task")) - before
    assert len(helpers) == 2
    deadline = time.monotonic() + 20  # each thread moves itself when it first runs
    while time.monotonic() < deadline and any(os.sched_getaffinity(int(t)) != {chosen} for t in helpers):
        time.sleep(0.01)
    for thread in helpers:
        assert os.sched_getaffinity(int(thread)) == {chosen}
    assert os.sched_getaffinity(0) == set(usable)
    places: list[set[int]] = []
    runs = Submitted(api, lambda _: places.append(os.sched_getaffinity(0)))
    x, y = arange(1, 1, 2), arange(1, 1, 2)
    assert runs.submit(handle, x, y)[0] == OK
    assert api.lrt_session_wait(handle, 0, -1) == OK
    assert places == [{chosen}]
    info = native.SessionInfo(ctypes.sizeof(native.SessionInfo))
    handle = open_session(negative, threads=0, affinity=",".join(map(str, usable)).encode())
    assert api.lrt_session_get_info(handle, ctypes.byref(info)) == OK
    assert info.backend.decode().endswith(f"{len(usable)} thread" + "s" * (len(usable) > 1))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"affinity": b"a"}, "affinity 'a' is no list of processors"),
        ({"affinity": b"0,"}, "affinity '0,' is no list of processors"),
        ({"affinity": b"0;1"}, "is no list of processors"),
        ({"affinity": b"-1"}, "is no list of processors"),
        ({"affinity": b"1-0"}, "ends before it starts"),
        ({"affinity": b"0-1023"}, "which this process may not use"),
        ({"affinity": b"0-99999999999"}, "is no list of processors"),
        ({"threads": 257}, "options->threads must be 0 to 256, got 257"),
        ({"threads": -1}, "options->threads must be 0 to 256, got -1"),
        ({"spinning": 7}, "options->spinning must be 0, 1 or 2 (lrt_spinning), got 7"),
        ({"reserved": 1}, "options->reserved must be 0, got 1"),
        ({"struct_size": 0}, "struct_size must be sizeof(lrt_session_options), got 0"),
        ({"struct_size": 5000}, "struct_size must be sizeof(lrt_session_options), got 5000"),
    ],
)
def test_wrong_options_are_refused(
    negative: Path, open_session: Callable[..., Handle], changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(native.LayoutRTError) as caught:
        open_session(negative, **changes)
    assert sentence in str(caught.value)


def test_structs_of_older_and_newer_callers_are_understood(
    api: ctypes.CDLL, negative: Path, open_session: Callable[..., Handle]
) -> None:
    class Newer(ctypes.Structure):
        _fields_ = [("known", native.SessionOptions), ("unknown", ctypes.c_int64)]

    handle, newer = Handle(), Newer()
    newer.known.struct_size = ctypes.sizeof(newer)
    newer.known.threads = 1
    runtime = native.onnxruntime_library()
    newer.known.onnxruntime_path = os.fsencode(runtime) if runtime else None
    as_known = ctypes.cast(ctypes.byref(newer), ctypes.POINTER(native.SessionOptions))
    assert api.lrt_session_create(os.fsencode(negative), as_known, ctypes.byref(handle)) == OK
    timings = (ctypes.c_uint64 * 40)(*[7] * 40)
    as_timings = ctypes.cast(timings, ctypes.POINTER(native.NativeTimings))
    timings[0] = 16  # struct_size and runs only
    assert api.lrt_session_timings(handle, as_timings) == OK
    assert list(timings[:4]) == [16, 0, 7, 7]
    timings[0] = 320
    assert api.lrt_session_timings(handle, as_timings) == OK
    assert list(timings) == [320] + [0] * 39
    timings[0] = 3
    assert api.lrt_session_timings(handle, as_timings) == INVALID_ARGUMENT
    assert api.lrt_session_timings(handle, None) == INVALID_ARGUMENT
    assert api.lrt_session_destroy(handle) == OK
    newer.unknown = 1
    assert api.lrt_session_create(os.fsencode(negative), as_known, ctypes.byref(handle)) == INVALID_ARGUMENT
    assert b"does not know" in api.lrt_last_error()
