"""The commands that take a model take an engine: info, synthesize, verify, demo, profile, doctor."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from tests.support import ROOT
from tests.support.tensorrt_doubles.building import build
from tests.support.tensorrt_doubles.runtime import ENGINE_MS, LAYER_MS, computed


def engine(model: Path, folder: Path) -> Path:
    sizes = {"min_size": (64, 96), "opt_size": (64, 96), "max_size": (192, 256)}
    return build(model, folder, sizes=sizes).path


def test_info_tells_what_the_manifest_says(world, model, tmp_path) -> None:
    from layoutrt.artifacts.info import as_table, describe

    found = describe(engine(model, tmp_path))
    assert found["what"] == "TensorRT engine: generator"
    assert found["inputs"] == {"labels": "uint8 [1, 64..192, 96..256]"}
    assert found["tensorrt"] == world.version
    assert found["gpu"] == "Orin (8.7)"
    assert found["label_set"]["name"] == "camvid"
    assert found["precision"] == "int8"
    assert as_table(found).row_count > 20


def test_synthesize_writes_the_engines_images(world, model, tmp_path) -> None:
    from layoutrt.drive import Drive
    from layoutrt.layouts import label_set, write_layout
    from layoutrt.runtime.synthesize import synthesize

    labels = Drive(label_set("camvid"), 64, 96).frame(0)
    write_layout(tmp_path / "layout.png", labels, label_set("camvid"))
    done = synthesize(engine(model, tmp_path), [str(tmp_path / "layout.png")], tmp_path / "out")
    assert done.backend.startswith("TensorRT")
    image = cv2.imread(str(tmp_path / "out" / "layout.png"))[..., ::-1]
    np.testing.assert_array_equal(image, computed("image", labels, "uint8"))


def test_verify_opens_an_engine_and_compares_no_layers_of_it(world, model, tmp_path) -> None:
    from layoutrt.export.any_model import open_model
    from layoutrt.export.verification.verify import verify

    path = engine(model, tmp_path)
    opened = open_model(path)
    info = opened.info
    assert (info.kind, info.precision, info.size) == ("generator", "int8", None)
    labels = np.full((1, 64, 96), 3, np.uint8)
    np.testing.assert_array_equal(opened.run({"labels": labels}), computed("image", labels, "uint8"))
    opened.close()
    with pytest.raises(LayoutRTError, match=r"edge\.engine is an engine; give the \.onnx file"):
        verify("camvid-edge", str(path), "drive:1", layers=True)


def test_the_demo_runs_an_engine_frame_by_frame(world, model, tmp_path) -> None:
    from layoutrt.runtime.demo import run_demo

    report = run_demo(
        engine(model, tmp_path), source="drive:3", sink="null", size=(64, 96), out=tmp_path / "out"
    )
    assert report.playback.frames == 3
    assert report.backend == f"TensorRT {world.version} in Python, Orin"
    # Opening it, and each frame.
    assert world.runs == 4


def runner_of(path: Path, folder: Path):
    from layoutrt.runtime.profiling.inputs import write_inputs
    from layoutrt.runtime.profiling.target import find_target
    from layoutrt.runtime.profiling.tensorrt_runner import TensorRTLayersRunner

    target = find_target(str(path))
    write_inputs(target, "drive:2", folder / "inputs.npz")
    return target, TensorRTLayersRunner({"model": str(path), "inputs": str(folder / "inputs.npz")})


def test_layers_are_timed_run_by_run_and_find_their_nodes(world, model, tmp_path) -> None:
    import onnx

    target, runner = runner_of(engine(model, tmp_path), tmp_path)
    assert (target.form, target.size, target.batch) == ("engine", (64, 96), 1)
    assert len(runner.run(3)) == 3
    nodes = runner.details()["nodes"]
    names = [node.name for node in onnx.load(model).graph.node]
    assert [node["origins"] for node in nodes] == [(name,) for name in names]
    assert all(node["times_ms"] == [LAYER_MS] * 3 for node in nodes)
    # The inspector knew the shapes of the run.
    assert all(node["bytes"] == 2 * 2 * 8 * 12 * 16 for node in nodes)
    assert runner.result().shape == (1, 64, 96, 3)
    runner.close()
    assert world.device.used_bytes() == 0


def test_an_engine_that_tells_nothing_of_its_layers_is_kept_and_says_so(world, model, tmp_path) -> None:
    world.inspects = False
    path = engine(model, tmp_path)
    assert json.loads((tmp_path / "edge.engine.layers.json").read_text()) == {}
    _, runner = runner_of(path, tmp_path)
    runner.run(1)
    with pytest.raises(LayoutRTError, match="does not describe its layers"):
        runner.details()
    runner.close()


def test_layers_get_their_arithmetic_from_the_file_where_it_is_at_hand(world, model, tmp_path) -> None:
    from layoutrt.runtime.profiling import layer_profile
    from layoutrt.runtime.profiling.executed_node import ExecutedNode
    from layoutrt.runtime.profiling.layers import fold
    from layoutrt.runtime.profiling.reference_workload import Peaks

    path = engine(model, tmp_path)
    target, runner = runner_of(path, tmp_path)
    runner.run(2)
    nodes = [ExecutedNode(**node) for node in runner.details()["nodes"]]
    runner.close()
    assert layer_profile._graph(target) == []
    shutil.copy(model, tmp_path / model.name)
    graph = layer_profile._graph(target)
    layers = fold(nodes, graph, Peaks(1, 1, 1, 1), 0)
    assert sum(layer.flops for layer in layers) == sum(cost.flops for cost in graph) > 10**8
    assert len({layer.block for layer in layers}) > 3


def test_an_engine_has_one_backend_and_the_sizes_of_its_profile(world, model, tmp_path) -> None:
    from layoutrt.runtime.profiling.backends import specification
    from layoutrt.runtime.profiling.layer_profile import can_profile_layers
    from layoutrt.runtime.profiling.target import find_target

    path = engine(model, tmp_path)
    target = find_target(str(path), (96, 128))
    assert target.size == (96, 128)
    assert can_profile_layers(target, None)
    assert specification(target, None, None)["runner"].endswith(":SessionRunner")
    with pytest.raises(LayoutRTError, match="leave --backend bodies out"):
        specification(target, "bodies", None)
    with pytest.raises(LayoutRTError, match="built for 64x96 to 192x256 and not for 256x256"):
        find_target(str(path), (256, 256))


_INSTALLED = """
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
from tests.tensorrt.worker import load_bindings

trt = load_bindings(Path({bindings!r}), Path({stubs!r}))
from tests.support.tensorrt_doubles.world import World

World(trt, Path({folder!r}), Path({operators!r})).install()
"""


def test_profile_times_an_engine_end_to_end_and_its_layers_apart(world, model, tmp_path) -> None:
    """In processes of their own, where ``import tensorrt`` gives a world."""
    import tensorrt_bindings

    from layoutrt.runtime.profiling.profile import profile
    from layoutrt.runtime.profiling.report import read_json, write_json
    from layoutrt.runtime.profiling.tables import layer_table, stage_table
    from layoutrt.runtime.profiling.target import find_target

    path = engine(model, tmp_path)
    site = tmp_path / "site"
    site.mkdir()
    (site / "tensorrt.py").write_text(
        _INSTALLED.format(
            root=str(ROOT),
            bindings=str(Path(tensorrt_bindings.__file__).parents[1]),
            stubs=str(world.operators.parent),
            folder=str(tmp_path),
            operators=str(world.operators),
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site))
        found = profile([find_target(str(path))], source="drive:1", iterations=2, warm_up=1, layers=True)
    (measured,) = found.models
    assert measured.backend == f"TensorRT {world.version} in Python, Orin"
    assert set(measured.stages_ms["engine"]) == {ENGINE_MS}
    assert measured.layers is not None
    assert len(measured.layers.layers) > 100
    assert all(layer.ms == pytest.approx(LAYER_MS) for layer in measured.layers.layers)
    assert {layer.bound for layer in measured.layers.layers} == {"unknown"}
    write_json(tmp_path / "profile.json", found)
    assert read_json(tmp_path / "profile.json").models[0].layers == measured.layers
    assert stage_table(measured).row_count
    assert layer_table(measured).row_count


def gpu_checks() -> dict[str, dict[str, str]]:
    from layoutrt.runtime.doctor.checks import as_json
    from layoutrt.runtime.doctor.gpu import examine_gpu

    return {check["name"]: check for check in as_json(examine_gpu())["checks"]}


def test_the_doctor_finds_what_fits(world) -> None:
    found = gpu_checks()
    assert "Orin, compute capability 8.7, 8.0 GiB" in found["GPU"]["found"]
    wanted = 12 if world.version.startswith("10.") else 13
    assert f"TensorRT's wheel is for CUDA {wanted}" in found["CUDA"]["found"]
    assert found["TensorRT"]["found"] == f"{world.version} (Python)"
    for name in ("GPU", "CUDA", "TensorRT", "TensorRT library", "TensorRT operators"):
        assert (found[name]["state"], found[name]["remedy"]) == ("ok", ""), found[name]


@pytest.mark.parametrize(
    ("environment", "name", "words"),
    [
        (
            {"STUB_CUDA": "11040"},
            "CUDA",
            ("supports 11.4", "update the driver, or: pip install tensorrt-cu11"),
        ),
        ({"STUB_NVINFER": "80601"}, "TensorRT library", ("is 8.6.1", "one version of both")),
        ({"STUB_LIBRARY_TENSORRT": "80601"}, "TensorRT operators", ("TensorRT 8.6.1", "rebuild it")),
        ({"STUB_LIBRARY": "0.0.9"}, "TensorRT operators", ("layoutrt 0.0.9", "reinstall layoutrt")),
    ],
)
def test_the_doctor_finds_what_does_not_fit(world, environment, name, words) -> None:
    import os

    os.environ |= environment
    found = gpu_checks()[name]
    assert found["state"] == "unfit"
    for word in words:
        assert word in json.dumps(found)


@pytest.mark.parametrize("environment", [{"STUB_GPUS": "0"}, {"STUB_CUINIT": "100"}])
def test_the_doctor_says_where_there_is_no_gpu(world, environment) -> None:
    import os

    os.environ |= environment
    found = gpu_checks()
    assert found["GPU"]["state"] == found["CUDA"]["state"] == "missing"
    assert "finds no GPU" in found["GPU"]["found"]
    assert found["GPU"]["remedy"].startswith("only for GPUs: check that one is plugged in")


def test_commands_of_the_readme_and_the_guide_that_need_a_gpu_run(world, model, tmp_path) -> None:
    from typer.testing import CliRunner

    from layoutrt.cli import app

    lines: list[str] = []
    for page in ("README.md", "docs/guide.md"):
        text = (Path(__file__).parents[2] / page).read_text()
        found = "".join(re.findall(r"^```shell\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).splitlines()
        assert len(found) >= 2, page
        lines += [line for line in found if line not in lines]
    shutil.copy(model, tmp_path / "street.trt.onnx")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for line in lines:
            program, *arguments = shlex.split(line)
            done = CliRunner().invoke(app, arguments)
            assert (program, done.exit_code) == ("layoutrt", 0), f"{line}\n{done.output}"
    finally:
        os.chdir(before)
    assert (tmp_path / "street.engine.json").is_file()
