"""``layoutrt build-engine`` on the real bindings: what TensorRT is told, and what is written."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time

import onnx
import pytest
from rich.console import Console

from layoutrt.artifacts.engine_manifest import read_manifest
from layoutrt.files import file_digest
from tests.support.tensorrt_doubles.building import SIZES, build, files, refused


def test_an_engine_a_manifest_and_layer_information_are_written(world, model, tmp_path) -> None:
    built = build(model, tmp_path, sizes=SIZES, workspace_mb=256)
    assert files(tmp_path) == ["edge.engine", "edge.engine.json", "edge.engine.layers.json"]
    written = json.loads((tmp_path / "edge.engine.json").read_text())
    assert written["format"] == 1
    assert written["tensorrt"] == world.version
    assert written["gpu"] == {"name": "Orin", "compute_capability": "8.7"}
    assert written["cuda"] == "13.0"
    assert written["onnx"] == {"file": "edge.trt.onnx", "sha256": file_digest(model)}
    assert written["engine_sha256"] == file_digest(built.path)
    assert written["engine_bytes"] == built.path.stat().st_size
    assert written["precision"] == "int8"
    assert written["operator_library"] == "0.1.0"
    assert written["workspace_mb"] == 256
    assert (written["version_compatible"], written["hardware_compatible"], written["dla"]) == (
        False,
        "none",
        False,
    )
    assert written["inputs"] == [
        {"name": "labels", "dtype": "uint8", "min": [1, 64, 96], "opt": [1, 96, 128], "max": [1, 192, 256]}
    ]
    assert written["outputs"] == [{"name": "image", "dtype": "uint8", "shape": [1, -1, -1, 3]}]
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    assert written["metadata"] == metadata
    assert read_manifest(built.path) == built.manifest
    layers = json.loads((tmp_path / "edge.engine.layers.json").read_text())["Layers"]
    assert len(layers) == len(onnx.load(model).graph.node)


def test_the_network_is_strongly_typed_and_the_configuration_is_what_was_asked_for(world, model, tmp_path):
    build(model, tmp_path, workspace_mb=64, sizes=SIZES)
    trt = world.trt
    assert world.network_flags == 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    asked = world.built
    assert asked.limits == {trt.MemoryPoolType.WORKSPACE: 64 << 20}
    assert asked.profiling_verbosity == trt.ProfilingVerbosity.DETAILED
    assert asked.flags_set == []
    assert asked.hardware_compatibility_level == trt.HardwareCompatibilityLevel.NONE
    assert asked.profiles[0].shapes == {"labels": [[1, 64, 96], [1, 96, 128], [1, 192, 256]]}
    assert world.libraries == [str(world.operators)]


def test_a_second_build_in_one_process_registers_the_plugins_once(world, model, tmp_path) -> None:
    build(model, tmp_path)
    build(model, tmp_path)
    assert world.libraries == [str(world.operators)]


def test_without_sizes_the_trained_one_is_taken_and_a_batch_can_be_opened(world, model, tmp_path) -> None:
    build(model, tmp_path, sizes={"max_batch": 4})
    assert world.built.profiles[0].shapes == {"labels": [[1, 192, 256], [1, 192, 256], [4, 192, 256]]}


def test_the_network_is_gone_before_the_engine_is_loaded(world, model, tmp_path) -> None:
    build(model, tmp_path)
    assert world.networks_while_loading == [False]


def test_what_the_profile_fixes_is_fixed_in_the_network(world, model, tmp_path) -> None:
    def dims() -> list[int]:
        ((_, _, found, _),) = json.loads((tmp_path / "edge.engine").read_bytes())["inputs"]
        return found

    built = build(model, tmp_path, sizes={"opt_size": (96, 128)})
    assert (dims(), world.built.profiles) == ([1, 96, 128], [])
    assert built.manifest.outputs[0].shape == [1, 96, 128, 3]
    build(model, tmp_path, sizes={"max_batch": 4})
    assert dims() == [-1, 192, 256]
    build(model, tmp_path, sizes={"min_size": (96, 128), "max_size": (96, 256)})
    assert dims() == [1, 96, -1]
    assert world.built.profiles[0].shapes == {"labels": [[1, 96, 128], [1, 96, 256], [1, 96, 256]]}


def test_an_engine_for_other_versions_carries_its_plugins_and_may_hold_code(world, model, tmp_path) -> None:
    built = build(model, tmp_path, version_compatible=True)
    assert world.built.flags_set == [world.trt.BuilderFlag.VERSION_COMPATIBLE]
    assert world.built.plugins_to_serialize == [str(world.operators), "libnvinfer_vc_plugin.so"]
    assert world.runtimes[0].engine_host_code_allowed
    assert built.manifest.version_compatible


def test_an_engine_for_other_gpus_says_so(world, model, tmp_path) -> None:
    built = build(model, tmp_path, hardware_compatible=True)
    level = world.trt.HardwareCompatibilityLevel.AMPERE_PLUS
    assert world.built.hardware_compatibility_level == level
    assert built.manifest.hardware_compatible == "ampere_plus"


def test_dla_is_used_with_the_gpu_behind_it_and_refused_where_there_is_none(world, model, tmp_path) -> None:
    refused(model, tmp_path, "no deep learning accelerator", "leave --dla out", dla=True)
    world.dla_cores = 2
    refused(model, tmp_path, "runs at one size", "--min, --opt and --max alike", dla=True, sizes=SIZES)
    told: list[str] = []
    built = build(model, tmp_path, dla=True, announce=told.append)
    # The file is in 8 bits, which only calibrators gave to the accelerator before TensorRT 11.
    assert ["takes no Q/DQ nodes" in line for line in told] == [True] * world.version.startswith("10.")
    assert world.built.default_device_type == world.trt.DeviceType.DLA
    assert (world.built.DLA_core, world.built.flags_set) == (0, [world.trt.BuilderFlag.GPU_FALLBACK])
    assert built.manifest.dla
    assert world.runtimes[-1].DLA_core == 0


def test_a_timing_cache_is_kept_and_reused(world, model, tmp_path) -> None:
    build(model, tmp_path)
    (kept,) = (tmp_path / "cache" / "layoutrt").iterdir()
    assert kept.name == f"timing-Orin-8.7-tensorrt-{world.version}.cache"
    assert kept.read_bytes() == f"timings of {world.version} on Orin".encode()
    before = kept.stat().st_mtime_ns
    told: list[str] = []
    build(model, tmp_path, announce=told.append)
    # What the builder was given is what the file held, and nothing was learnt.
    assert told == []
    assert kept.stat().st_mtime_ns == before


def test_a_timing_cache_of_another_version_is_ignored_with_a_word_and_replaced(world, model, tmp_path):
    cache = tmp_path / "cache" / "mine.cache"
    cache.parent.mkdir()
    cache.write_bytes(b"timings of 9.0.0 on Orin")
    told: list[str] = []
    build(model, tmp_path, timing_cache=cache, announce=told.append)
    assert told == [f"the timing cache {cache} is not used: it is of another TensorRT or GPU"]
    assert cache.read_bytes() == f"timings of {world.version} on Orin".encode()


def test_a_timing_cache_that_cannot_be_written_does_not_cost_the_engine(world, model, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    told: list[str] = []
    build(model, tmp_path, timing_cache=tmp_path / "file" / "x.cache", announce=told.append)
    assert "edge.engine" in files(tmp_path)
    assert "the timing cache was not kept" in told[-1]


def test_what_fails_after_the_builder_does_not_cost_its_measurements(world, model, tmp_path) -> None:
    world.loads = False
    refused(model, tmp_path, "memory ran out")
    (kept,) = (tmp_path / "cache" / "layoutrt").iterdir()
    assert kept.read_bytes() == f"timings of {world.version} on Orin".encode()


def test_a_phase_is_shown_by_the_name_that_tensorrt_gives_it(world) -> None:
    from layoutrt.export.engine.progress import BuildProgress

    shown = io.StringIO()
    progress = BuildProgress(world.module, Console(file=shown, force_terminal=True, width=100))
    with progress:
        progress.start("Compiling {ForeignNode[/a]}", None, 2)
        progress.step("Compiling {ForeignNode[/a]}", 0)
    assert "Compiling {ForeignNode[/a]}" in shown.getvalue()


def test_progress_is_a_bar_for_each_phase_within_the_other(world, model, tmp_path) -> None:
    from layoutrt.export.engine.progress import BuildProgress

    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100)
    bars: list[list[str]] = []
    progress: list[BuildProgress] = []
    started = BuildProgress.__enter__

    def enter(self):
        progress.append(self)
        return started(self)

    def look() -> None:
        bars.append(
            [f"{task.description} {task.completed}/{task.total}" for task in progress[0]._shown.tasks]
        )

    world.while_building = look
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuildProgress, "__enter__", enter)
        build(model, tmp_path, console=console)
    assert bars == [["Building Engine 0/2", "  Computing profile 2/3"]]
    assert progress[0]._shown.tasks == []


def test_ctrl_c_stops_the_build_after_its_step_and_leaves_nothing(world, model, tmp_path) -> None:
    from layoutrt.export.engine.progress import BuildProgress

    started: list[BuildProgress] = []
    make = BuildProgress.__init__

    def remember(self, *arguments) -> None:
        started.append(self)
        make(self, *arguments)

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        # The main thread is told of it, while the builder computes on another one.
        deadline = time.monotonic() + 10
        while not started[0].cancelled and time.monotonic() < deadline:
            time.sleep(0.005)

    world.while_building = interrupt
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BuildProgress, "__init__", remember)
        with pytest.raises(KeyboardInterrupt):
            build(model, tmp_path)
    assert world.phases == ["Computing profile 0", "Computing profile 1", "Computing profile 2"]
    assert files(tmp_path) == []
    assert "layoutrt-build" not in [thread.name for thread in threading.enumerate()]


def test_warnings_are_counted_and_messages_are_printed_when_they_are_asked_for(world, model, tmp_path):
    world.build_warnings = ["a tactic was skipped", "a tactic was skipped", "another thing"]
    assert build(model, tmp_path).warnings == ["a tactic was skipped", "another thing"]
    shown = io.StringIO()
    build(model, tmp_path, verbose=True, console=Console(file=shown))
    assert "another thing" in shown.getvalue()


def test_the_command_prints_what_was_built_and_what_comes_next(world, model, tmp_path) -> None:
    from typer.testing import CliRunner

    from layoutrt.cli import app

    # Brackets are no markup.
    out = tmp_path / "[red]street.engine"
    arguments = ["build-engine", str(model), "--out", str(out), "--min", "64x96", "--max", "192x256"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == "precision  int8"
    assert lines[1] == "input      labels uint8 [1, 64..192, 96..256], fastest at [1, 192, 256]"
    assert lines[2] == "output     image uint8 [1, ?, ?, 3]"
    assert f"with TensorRT {world.version} for Orin (8.7)" in lines[3]
    assert lines[-1] == f"next       layoutrt profile {out} --layers"
    assert f"wrote      {out} (" in done.output
