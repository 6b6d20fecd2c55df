"""The benchmark of a GPU, run line by line on the CPU at tiny sizes, with a stand-in for the CUDA library."""

import contextlib
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import gpu, gpu_clock, gpu_generator, gpu_library
from benchmarks.__main__ import SECTIONS, main
from benchmarks.document import write_sections
from benchmarks.gpu_clock import Clock, WallClock
from benchmarks.gpu_predicted_conv import Layer, layers
from benchmarks.paper_generator import CONFIG
from benchmarks.rows import Row, less_is_better, line, write_json
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import Label, LabelSet
from layoutrt.train.networks.generator_config import GeneratorConfig
from tests.support.cuda.cpu_library import CpuLibrary

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
TRIO = LabelSet(
    "trio",
    tuple(Label(name, (80 * index, 0, 90), False) for index, name in enumerate("abc")),
    dont_care=3,
    file_dont_care=255,
)
TINY = gpu.Plan(
    copy_bytes=4096,
    matrix=32,
    side=16,
    channels=(2, 3),
    labels=TRIO,
    config=GeneratorConfig(
        4, instance_edges=True, width=2, hidden=8, latent=8, image_height=64, image_width=64
    ),
)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> CpuLibrary:
    monkeypatch.setattr(gpu_clock, "WARM_UP", 1)
    library = CpuLibrary()
    library.install(monkeypatch)
    return library


@pytest.fixture
def rows(library) -> list[Row]:
    return list(gpu.gpu_rows(CPU, WallClock(1), TINY))


def test_every_part_is_measured(rows, library) -> None:
    names = [row.name for row in rows]
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)
    for start, count in {
        "ceiling: memcpy": 1,
        "ceiling: product": 2,
        "SpatiallyVaryingConv FP16 C=2 16x16 / copying": 1,
        "SpatiallyVaryingConv FP32 C=3 16x16 / published": 1,
        "LayoutConv FP16 C=3 16x16 / copying": 1,
        "PredictedConv FP16 C=32 J=8 p=3 2x2 / cuDNN": 1,
        "PredictedConv INT8 C=2 J=8 p=3 64x64 / product": 1,
        "PredictedConv FP16, sum of these layers": 1,
        "PredictedConv FP32, sum of these layers": 1,
        "PredictedConv INT8, sum of these layers": 1,
        "paper's generator FP32: largest difference": 1,
        "paper's generator FP16: mean difference": 1,
        "paper's generator FP16 64x64: ours (": 2,
        "paper's generator FP16 64x64, host to host": 2,
    }.items():
        assert sum(name.startswith(start) for name in names) == count, start
    whole = [row for row in rows if row.name.startswith("paper's generator FP16 64x64: ours (")]
    assert [row.target for row in whole] == ["ratio >= 5"] * 2
    for row, theirs in zip(whole, ("/ published (", "/ published, no graph ("), strict=True):
        assert theirs in row.name
    (parity,) = (row for row in rows if "largest difference" in row.name)
    assert parity.ours < 1e-5
    operators = {"spatially_varying_conv", "layout_conv", "predicted_conv", "quantized_predicted_conv"}
    assert set(library.calls) == operators


def test_a_generator_that_makes_another_image_is_not_timed(library, monkeypatch) -> None:
    real = gpu_generator.OurGenerator.image
    monkeypatch.setattr(gpu_generator.OurGenerator, "image", lambda self, inputs: real(self, inputs) * 0.5)
    with pytest.raises(LayoutRTError, match="images of our generator and of the published formulation"):
        list(gpu_generator.generator_rows(CPU, WallClock(1), TINY.config, TRIO))


def test_the_layers_are_those_of_the_papers_generator() -> None:
    found = layers(CONFIG)
    assert found[0] == Layer(1024, 128, 3, 8)
    assert found[-1] == Layer(64, 128, 3, 256)
    assert [(layer.channels, layer.side) for layer in found] == [
        (1024, 8), (1024, 16), (1024, 32), (512, 32), (512, 64),
        (256, 64), (256, 128), (128, 128), (128, 256), (64, 256),
    ]  # fmt: skip
    assert found[-1].operations == 2 * 9 * 64 * 128 * 9 * 256**2


class CountingClock(WallClock):
    """Times that are known."""

    def __init__(self, rounds: int) -> None:
        super().__init__(rounds)
        self.order: list[str] = []

    def measure(self, run, cold, times) -> None:
        self.order.append(run())
        times.append(float(len(self.order)))


def test_candidates_take_turns_and_warm_up_is_not_counted() -> None:
    clock: Clock = CountingClock(3)
    medians = clock.medians({"a": lambda: "a", "b": lambda: "b"})
    assert clock.order == ["a", "b", "b", "a", "a", "b"]
    assert medians == {"a": 4.0, "b": 3.0}


class Timeline:
    """A GPU's time in doubles of torch.cuda: what runs on it, in order, and how long it takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.log: list[str] = []
        timeline = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = timeline.now

            def elapsed_time(self, end: "Event") -> float:
                assert timeline.log[-1] == "synchronize"
                return end.at - self.at

        class Stream:
            def wait_stream(self, other: "Stream") -> None:
                timeline.log.append("wait")

        class Graph:
            def replay(self) -> None:
                timeline.run("replay", 3.0)

        @contextlib.contextmanager
        def section(name: str, _: object) -> Iterator[None]:
            timeline.log.append(f"{name} {{")
            yield
            timeline.log.append("}")

        for name, double in {
            "Event": Event,
            "Stream": Stream,
            "CUDAGraph": Graph,
            "current_stream": Stream,
            "stream": functools.partial(section, "stream"),
            "graph": functools.partial(section, "graph"),
            "synchronize": lambda: timeline.log.append("synchronize"),
        }.items():
            monkeypatch.setattr(torch.cuda, name, double)

    def run(self, name: str, ms: float) -> str:
        self.log.append(name)
        self.now += ms
        return name


def test_events_time_the_run_and_not_the_emptying_of_caches(monkeypatch) -> None:
    timeline = Timeline(monkeypatch)
    clock = gpu_clock.EventClock(3, CPU)
    monkeypatch.setattr(clock, "_cold", SimpleNamespace(sum=lambda: timeline.run("cold", 100.0)))
    runs = {"a": lambda: timeline.run("a", 2.0), "b": lambda: timeline.run("b", 5.0)}
    assert clock.medians(runs, cold=True) == {"a": 2.0, "b": 5.0}
    assert timeline.log[-5:] == ["cold", "a", "cold", "b", "synchronize"]
    assert clock.medians(runs) == {"a": 2.0, "b": 5.0}
    assert timeline.log.count("cold") == 6


def test_a_run_is_captured_after_it_was_warmed_up_on_another_stream(monkeypatch) -> None:
    timeline = Timeline(monkeypatch)
    replay = gpu_clock.EventClock(3, CPU).capture(lambda: timeline.run("run", 1.0))
    warm = ["run"] * gpu_clock.WARM_UP
    assert timeline.log == ["wait", "stream {", *warm, "}", "wait", "graph {", "run", "}"]
    assert replay() == "run"
    assert timeline.log[-1] == "replay"


def test_the_gpu_is_named_with_its_driver_and_cuda(monkeypatch) -> None:
    properties = SimpleNamespace(name="Some GPU", major=9, minor=0, total_memory=140 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert gpu.gpu_machine(CPU).startswith("Some GPU (9.0, 140 GiB), driver ")
    assert gpu.memory_bytes(CPU) == 140 << 30
    stamp = gpu.gpu_stamp(20, CPU)
    assert stamp.startswith("Measured 20")
    assert "Some GPU" in stamp
    assert "medians of 20 runs by CUDA events" in stamp


def test_a_small_gpu_gets_a_smaller_plan() -> None:
    assert gpu.fitting(gpu.Plan(), 80 << 30) == gpu.Plan()
    small = gpu.fitting(gpu.Plan(), 7 << 30)
    assert small.copy_bytes < gpu.Plan().copy_bytes
    assert 256 not in small.channels


def test_the_drivers_version_is_read(tmp_path) -> None:
    told = tmp_path / "version"
    told.write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n"
        "GCC version: gcc 12.2.0\n"
    )
    assert gpu._driver(told) == "580.65.06"
    assert gpu._driver(tmp_path / "none") == "unknown"


def test_rows_go_into_the_document_and_json_with_the_gpus_name(tmp_path) -> None:
    row = less_is_better("a / b", 2.0, 6.0, "ms", "ratio >= 2")
    assert line(row) == "a / b: 2 / 6 ms, 3.00x  (ratio >= 2)"
    write_json(tmp_path / "gpu.json", [row], "H200, driver 580.65.06")
    assert json.loads((tmp_path / "gpu.json").read_text())["machine"] == "H200, driver 580.65.06"
    document = tmp_path / "benchmarks.md"
    document.write_text((ROOT / "docs/benchmarks.md").read_text())
    write_sections(document, {"gpu": [row]}, "Measured then on H200.")
    assert "Measured then on H200.\n\n| ours / theirs |" in document.read_text()


def test_a_plain_benchmark_leaves_the_gpu_out() -> None:
    assert "gpu" not in SECTIONS


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_without_a_gpu_one_sentence_says_so(monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--only", "gpu"])
    with pytest.raises(LayoutRTError, match=r"sees no CUDA GPU .* run this on a machine with an NVIDIA GPU"):
        main()


def test_rows_are_printed_as_they_come_and_written_at_the_end(tmp_path, monkeypatch, capsys) -> None:
    def measure(rounds: int) -> Iterator[Row]:
        for name in ("first", "second"):
            yield less_is_better(f"{name} / other", 1.0, float(rounds), "ms")
            assert f"{name} / other: 1 / 5 ms, 5.00x" in capsys.readouterr().out

    doubles = {
        "the_gpu": lambda: CPU,
        "measure_gpu": measure,
        "gpu_machine": lambda device: "Some GPU, driver 580",
        "gpu_stamp": lambda rounds, device: f"Measured on some GPU, {rounds} runs.",
    }
    for name, double in doubles.items():
        monkeypatch.setattr(gpu, name, double)
    monkeypatch.setattr(gpu_library, "prepare_library", lambda: Path("liblayoutrt_cuda.so"))
    document = tmp_path / "benchmarks.md"
    document.write_text((ROOT / "docs/benchmarks.md").read_text())
    monkeypatch.setenv("BENCH_JSON", str(tmp_path / "gpu.json"))
    monkeypatch.setattr("sys.argv", f"bench --only gpu --rounds 5 --write {document}".split())
    main()
    assert "Measured on some GPU, 5 runs.\n\n| ours / theirs |" in document.read_text()
    assert "| second / other | 1 | 5 | ms | 5.00x |  |" in document.read_text()
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert written["machine"] == "Some GPU, driver 580"
    assert [row["name"] for row in written["rows"]] == ["first / other", "second / other"]


def test_the_gpus_section_is_run_alone(monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--only", "gpu", "edge"])
    with pytest.raises(LayoutRTError, match="--only gpu alone"):
        main()


def test_the_library_is_built_in_the_repository_only(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(gpu_library.cuda, "library_path", lambda: None)
    with pytest.raises(LayoutRTError, match="built from the sources; run this in the repository"):
        gpu_library.prepare_library(tmp_path)
    installed = tmp_path / "liblayoutrt_cuda.so"
    monkeypatch.setattr(gpu_library.cuda, "library_path", lambda: installed)
    assert gpu_library.prepare_library(tmp_path) == installed
