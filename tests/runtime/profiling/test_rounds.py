"""Candidates run in alternating rounds, in processes of their own."""

import os
import signal
from typing import ClassVar

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.models import resolve_model
from layoutrt.runtime.profiling import rounds
from layoutrt.runtime.profiling.reference_workload import FLOPS, STAGES, measured_peaks
from layoutrt.runtime.profiling.rounds import run_rounds
from layoutrt.runtime.profiling.runner import Run
from layoutrt.runtime.profiling.worker_process import Round, WorkerProcess

SESSION = "layoutrt.runtime.profiling.session_runner:SessionRunner"


class Recorder:
    """Stands for a process; writes down when it ran."""

    order: ClassVar[list[str]] = []

    def __init__(self, name: str, ms: float) -> None:
        self.name, self.ms = name, ms

    def run_round(self, warm_up_runs: int, count: int) -> Round:
        self.order.append(self.name)
        return Round([Run(0, self.ms, (self.ms,))] * count, self.ms * count, 100.0)


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    file = tmp_path_factory.mktemp("inputs") / "labels.npz"
    np.savez(file, labels=np.arange(3, dtype=np.uint8).repeat(64 * 96).reshape(3, 1, 64, 96))
    return file


def test_rounds_alternate_their_order_and_warm_up_rounds_are_not_counted(monkeypatch) -> None:
    monkeypatch.setattr(rounds, "SETTLE_S", 0.0)
    Recorder.order.clear()
    candidates = {"a": Recorder("a", 2.0), "b": Recorder("b", 3.0)}
    series = run_rounds(
        candidates, go_on=lambda number: number < 2, warm_up_runs=1, iterations_per_round=3, warm_up_rounds=1
    )
    assert "".join(Recorder.order) == "abbaab"
    assert series["a"].rounds == [0, 0, 0, 1, 1, 1]
    assert series["b"].elapsed_ms == 18
    assert series["a"].joules is None


def test_energy_is_that_of_the_counted_runs(monkeypatch) -> None:
    monkeypatch.setattr(rounds, "SETTLE_S", 0.0)
    counter = iter(range(0, 1000, 8))
    series = run_rounds(
        {"a": Recorder("a", 2.0)},
        go_on=lambda number: number < 2,
        warm_up_runs=1,
        iterations_per_round=3,
        joules=lambda: float(next(counter)),
    )
    # 8 J for each round of four runs, of which three are counted.
    assert series["a"].joules == pytest.approx(2 * 6)


def test_stages_of_a_run_add_up_to_it(tiny_model, labels) -> None:
    with WorkerProcess(
        {"runner": SESSION, "model": str(tiny_model), "inputs": str(labels), "threads": 1}
    ) as worker:
        warm = worker.warm_up(3)
        assert warm.runs == 3
        assert warm.first_ms > 0
        assert worker.load_ms > 0
        done = worker.run_round(1, 6)
        end = worker.end()
    assert len(done.runs) == 6
    for run in done.runs:
        assert sum(run.stages_ms) == pytest.approx(run.total_ms)
    starts = [run.started_ns for run in done.runs]
    assert starts == sorted(starts)
    assert done.elapsed_ms >= sum(run.total_ms for run in done.runs)
    assert end.peak_mb >= done.rss_mb > end.before_mb / 2 > 10


def test_measuring_costs_less_than_one_percent_and_the_stages_are_the_run(tmp_path) -> None:
    file = tmp_path / "labels.npz"
    np.savez(file, labels=np.zeros((1, 1, 192, 256), np.uint8))
    spec = {"runner": SESSION, "model": str(resolve_model("camvid-edge")), "inputs": str(file), "threads": 1}
    with WorkerProcess(spec) as worker:
        worker.warm_up(2)
        overheads, shares = [], []
        for _ in range(5):
            done = worker.run_round(0, 5)
            overheads.append(1 - sum(run.total_ms for run in done.runs) / done.elapsed_ms)
            shares += [sum(run.stages_ms[1:]) / run.total_ms for run in done.runs]
    # The best of five: a busy machine can stop the process anywhere.
    assert min(overheads) < 0.01
    assert max(shares) > 0.97


def test_a_process_that_ended_before_its_round_is_one_sentence() -> None:
    with WorkerProcess(
        {"runner": "layoutrt.runtime.profiling.reference_workload:ReferenceWorkload", "threads": 1}
    ) as worker:
        os.kill(worker.pid, signal.SIGKILL)
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(LayoutRTError, match="ReferenceWorkload ended with status -9"):
            worker.run_round(0, 1)


def test_peaks_are_measured_on_a_workload_of_known_size() -> None:
    with WorkerProcess(
        {"runner": "layoutrt.runtime.profiling.reference_workload:ReferenceWorkload", "threads": 1}
    ) as worker:
        assert worker.stages == STAGES
        runs = worker.run_round(0, 3).runs
    times = {name: [run.stages_ms[place] for run in runs] for place, name in enumerate(STAGES)}
    found = measured_peaks(times, 1)
    assert found.gflops == pytest.approx(FLOPS / np.percentile(times["product"], 10) / 1e6)
    assert found.compute("int8") == found.int8_gops
    assert found.compute("fp32") == found.compute("fp16") == found.gflops
    assert 1 < found.memory_gbs < 10_000


def test_a_missing_operator_library_is_one_sentence(tiny_model, labels, monkeypatch) -> None:
    monkeypatch.setenv("LAYOUTRT_LIBRARY", "/nowhere/liblayoutrt.so")
    spec = {"model": str(tiny_model), "inputs": str(labels), "threads": 1}
    for runner in (SESSION, "layoutrt.runtime.profiling.onnxruntime_runner:OnnxRuntimeRunner"):
        with pytest.raises(LayoutRTError, match="LAYOUTRT_LIBRARY"):
            WorkerProcess({**spec, "runner": runner})


def test_a_process_that_dies_is_named() -> None:
    with pytest.raises(LayoutRTError, match="something ended with status 1"):
        WorkerProcess({"runner": "layoutrt.no_such_module:Runner", "name": "something"})
