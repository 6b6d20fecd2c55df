"""The CUDA kernels' own sources, run on the CPU: their results, their accesses, their barriers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.cuda import cases, launchers

INVALID_VALUE, ILLEGAL_ADDRESS, MISALIGNED_ADDRESS, LAUNCH_FAILURE = 1, 700, 716, 719

FORWARDS = {"backwards": 0, "eager_copies": 0}
BACKWARDS = {"backwards": 1, "eager_copies": 1}


class Emulation(launchers.Launchers):
    """The kernels on the CPU."""

    def schedule(self, *, backwards: int = 0, eager_copies: int = 0, multiprocessors: int = 4) -> None:
        self.library.emulation_schedule(backwards, eager_copies, multiprocessors)

    def failure(self) -> str:
        self.library.emulation_failure.restype = ctypes.c_char_p
        return self.library.emulation_failure().decode()

    def bank_conflicts(self) -> int:
        self.library.emulation_bank_conflicts.restype = ctypes.c_long
        return self.library.emulation_bank_conflicts()


@pytest.fixture(scope="module")
def emulation(build: Callable[..., Path]) -> Emulation:
    # Kernels for the CPU are no part of it.
    folder = build("cuda", ["cuda_kernels_driver"], LAYOUTRT_BASELINE_ONLY="ON")
    return Emulation(folder / "libcuda_kernels_driver.so")


def check(case: cases.Case, emulation: Emulation) -> None:
    """The result is right, and the same whatever order threads run in and copies happen in."""
    results = []
    for schedule in (FORWARDS, BACKWARDS):

        def run(op: str, arrays: dict[str, Any], schedule: dict[str, int] = schedule) -> np.ndarray:
            emulation.schedule(**schedule, multiprocessors=case.multiprocessors)
            try:
                results.append(emulation.run(op, arrays))
            except launchers.LaunchError as error:
                raise AssertionError(f"{case.name}: {error}: {emulation.failure()}") from error
            return results[-1]

        cases.compare(case, run)
        assert emulation.bank_conflicts() == 0, case.name
    assert results[0].tobytes() == results[1].tobytes(), case.name


@pytest.mark.parametrize("case", cases.ALL, ids=lambda case: case.name)
def test_kernels_compute_what_the_oracle_does(case: cases.Case, emulation: Emulation) -> None:
    check(case, emulation)


def test_the_cases_reach_every_kernel_of_the_tensor_cores(emulation: Emulation) -> None:
    reached = set()
    for case in [*cases.PREDICTED, *cases.QUANTIZED]:
        arrays = case.arrays
        emulation.schedule(multiprocessors=case.multiprocessors)
        emulation.run(case.op, arrays)
        threads = emulation.library.emulation_block_threads()
        reached.add((case.op, arrays["x"].dtype.name, arrays["weight"].shape[1], threads))
    tensor_cores = [
        ("PredictedConv", "float16"),
        *(("QuantizedPredictedConv", t) for t in ("float16", "float32")),
    ]
    assert reached >= {(*kind, p, threads) for kind in tensor_cores for p in (1, 3) for threads in (64, 128)}


def test_kernels_are_right_for_shapes_that_nobody_chose(emulation: Emulation) -> None:
    for case in cases.random_cases(seed=1, count=80):
        check(case, emulation)


@pytest.fixture
def offset(emulation: Emulation) -> Iterator[Callable[[int], None]]:
    """Sets how many bytes behind their memory's start arrays begin."""

    def set_offset(count: int) -> None:
        emulation.library.set_offset(ctypes.c_size_t(count))

    yield set_offset
    set_offset(0)


ANYWHERE = [
    *cases.SPATIALLY_VARYING[:8],
    *cases.LAYOUT[:4],
    *(case for case in cases.PREDICTED if case.arrays["layout"] == "nchw"),
    *(case for case in cases.QUANTIZED[:3]),
]


@pytest.mark.parametrize("case", ANYWHERE, ids=lambda case: case.name)
def test_arrays_may_start_at_any_pair_of_elements(
    case: cases.Case, emulation: Emulation, offset: Callable[[int], None]
) -> None:
    offset(4)
    check(case, emulation)


def test_what_is_read_in_vectors_only_must_be_aligned(
    emulation: Emulation, offset: Callable[[int], None]
) -> None:
    def launch(case: cases.Case) -> int:
        emulation.schedule(multiprocessors=case.multiprocessors)
        with pytest.raises(launchers.LaunchError) as error:
            emulation.run(case.op, case.arrays)
        return error.value.code

    half = next(case for case in cases.PREDICTED if case.arrays["x"].dtype == np.float16)
    offset(2)  # not even pairs of halves
    assert launch(half) == MISALIGNED_ADDRESS
    offset(8)
    for case in [*cases.PREDICTED, *cases.QUANTIZED]:
        if case.arrays["layout"] != "nchw":
            assert launch(case) == MISALIGNED_ADDRESS
    assert not emulation.failure()  # nothing was launched


def test_sizes_that_no_launch_can_count_are_refused(emulation: Emulation) -> None:
    arrays = next(case.arrays for case in cases.PREDICTED if case.arrays["x"].dtype == np.float16)
    many = {"n": 1 << 21, "channels": 1 << 10, "height": 1, "width": 1}
    assert emulation.launch_without_arrays("PredictedConv", arrays, **many) == INVALID_VALUE
    # So many features come in blocks: the kernel is launched, on arrays that are not there.
    assert emulation.launch_without_arrays("PredictedConv", arrays, features=4_000_000) == ILLEGAL_ADDRESS


BY_OP = {case.op: case for case in cases.ALL}
REFUSED: list[tuple[str, dict[str, Any]]] = [
    *((op, {"n": -1}) for op in BY_OP),
    *((op, {"width": -8}) for op in BY_OP),
    *((op, {"type": 2}) for op in BY_OP),
    *(("SpatiallyVaryingConv", {"k": k}) for k in (-1, 0, 2, 9)),
    *(("LayoutConv", {"k": k}) for k in (0, 4, 9)),
    *(("LayoutConv", {"stride": stride}) for stride in (0, 3)),
    ("LayoutConv", {"label_type": 0}),
    ("LayoutConv", {"count": 1 << 26}),
    *((op, {"p": p}) for op in ("PredictedConv", "QuantizedPredictedConv") for p in (0, 2, 5)),
    *((op, {"features": 0}) for op in ("PredictedConv", "QuantizedPredictedConv")),
    *((op, {"h_layout": 2}) for op in ("PredictedConv", "QuantizedPredictedConv")),
    ("PredictedConv", {"h_layout": 1, "type": 0}),
    *(("QuantizedPredictedConv", {"y_layout": layout}) for layout in (1, 2)),
    ("QuantizedPredictedConv", {"y_layout": 2, "y_scale": 0.5, "channels": 48}),
    *(("QuantizedPredictedConv", {"y_scale": scale}) for scale in (-1.0, float("nan"))),
    ("QuantizedPredictedConv", {"features": 32769, "p": 1}),
    ("QuantizedPredictedConv", {"features": 3641, "p": 3}),
    ("QuantizedPredictedConv", {"h_scale": 0.0}),
    ("QuantizedPredictedConv", {"h_scale": float("nan")}),
    ("QuantizedPredictedConv", {"h_type": 3}),
    ("QuantizedPredictedConv", {"h_layout": 1, "h_type": 2}),
]


@pytest.mark.parametrize(("op", "changes"), REFUSED, ids=str)
def test_launchers_refuse_what_the_operators_exclude(
    op: str, changes: dict[str, Any], emulation: Emulation
) -> None:
    assert emulation.launch_without_arrays(op, BY_OP[op].arrays, **changes) == INVALID_VALUE


@pytest.mark.parametrize("op", [op for op in BY_OP if op != "LayoutConv"])
def test_a_scale_without_a_shift_is_refused(op: str, emulation: Emulation) -> None:
    assert emulation.launch_without_arrays(op, BY_OP[op].arrays, scale=16) == INVALID_VALUE
    assert emulation.launch_without_arrays(op, BY_OP[op].arrays, shift=16) == INVALID_VALUE


@pytest.mark.parametrize("op", BY_OP)
@pytest.mark.parametrize("empty", ["n", "channels", "height", "width"])
def test_an_empty_tensor_is_no_error(op: str, empty: str, emulation: Emulation) -> None:
    assert emulation.launch_without_arrays(op, BY_OP[op].arrays, **{empty: 0}) == 0


def test_a_table_without_labels_leaves_the_bias(emulation: Emulation) -> None:
    arrays = dict(BY_OP["LayoutConv"].arrays)
    arrays["table"] = arrays["table"][:0]
    y = emulation.run("LayoutConv", arrays)
    assert (y == arrays["bias"][None, :, None, None]).all()


KERNELS = [
    "shift_correctly",
    "read_behind_array",
    "write_behind_array",
    "write_before_array",
    "write_behind_shared_memory",
    "forget_barrier",
    "leave_before_barrier",
    "leave_before_warp_instruction",
    "forget_to_wait",
    "wait_for_older_copies",
    "read_off_alignment",
]
ERRORS = {
    "read_behind_array": ILLEGAL_ADDRESS,
    "write_behind_array": ILLEGAL_ADDRESS,
    "write_before_array": ILLEGAL_ADDRESS,
    "write_behind_shared_memory": ILLEGAL_ADDRESS,
    "leave_before_barrier": LAUNCH_FAILURE,
    "leave_before_warp_instruction": LAUNCH_FAILURE,
    "forget_to_wait": LAUNCH_FAILURE,
    "read_off_alignment": MISALIGNED_ADDRESS,
}


def faulty(emulation: Emulation, kernel: str, **schedule: int) -> tuple[int, np.ndarray]:
    result = np.zeros(64, np.float32)
    emulation.schedule(**schedule)
    code = emulation.library.run_faulty_kernel(KERNELS.index(kernel), result.ctypes.data_as(ctypes.c_void_p))
    return code, result


@pytest.mark.parametrize("kernel", ERRORS)
def test_the_emulation_reports_mistakes_of_a_kernel(kernel: str, emulation: Emulation) -> None:
    code, _ = faulty(emulation, kernel)
    assert code == ERRORS[kernel], emulation.failure()
    # And goes on as before.
    code, result = faulty(emulation, "shift_correctly")
    assert code == 0
    assert (result == np.arange(1, 65)).all()


@pytest.mark.parametrize("kernel", ["forget_barrier", "wait_for_older_copies"])
def test_mistakes_in_time_show_as_results_that_depend_on_the_schedule(
    kernel: str, emulation: Emulation
) -> None:
    forwards, backwards = (faulty(emulation, kernel, **schedule) for schedule in (FORWARDS, BACKWARDS))
    assert forwards[0] == backwards[0] == 0
    assert forwards[1].tobytes() != backwards[1].tobytes()


def test_halves_are_those_of_ieee(emulation: Emulation) -> None:
    halves = np.arange(1 << 16, dtype=np.uint16)
    floats = np.empty(halves.size, np.float32)
    pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (halves, floats))
    emulation.library.emulation_halves_to_floats(*pointers, halves.size)
    assert np.array_equal(floats, halves.view(np.float16).astype(np.float32), equal_nan=True)
    # Half way between neighbors, and right beside that.
    finite = np.sort(floats[np.isfinite(floats)])
    middle = (finite[1:] + finite[:-1]) / 2
    above, below = np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf))
    values = np.concatenate([middle, above, below, np.float32([65519.9, 65520.0, -7e4, np.inf])])
    rounded = np.empty(values.size, np.uint16)
    pointers = (array.ctypes.data_as(ctypes.c_void_p) for array in (values, rounded))
    emulation.library.emulation_floats_to_halves(*pointers, values.size)
    with np.errstate(over="ignore"):
        assert np.array_equal(rounded, values.astype(np.float16).view(np.uint16))


def test_structures_of_python_are_those_of_the_header(emulation: Emulation) -> None:
    for op, structure in launchers.STRUCTURES.items():
        assert emulation.library.size_of_structure(op.encode()) == ctypes.sizeof(structure), op
