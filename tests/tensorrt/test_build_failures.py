"""``layoutrt build-engine`` on the real bindings, when something goes wrong: one sentence, and no files."""

from __future__ import annotations

import os

import pytest

from layoutrt.errors import LayoutRTError
from tests.support.tensorrt_doubles.building import build, files, refused


def test_each_error_of_the_parser_is_told_with_its_node_and_a_remedy(world, model, tmp_path) -> None:
    world.parser_errors = [
        {"code": "UNSUPPORTED_NODE", "node_name": "resize_3", "node_operator": "Resize", "desc": "bad mode."},
        {"code": "INVALID_NODE", "node_name": "", "node": 7, "node_operator": "Conv", "desc": ""},
    ]
    sentence = refused(model, tmp_path, "node resize_3 (Resize): bad mode;", "node 7 (Conv): INVALID_NODE")
    assert f"TensorRT {world.version} cannot read" in sentence
    assert "install a newer one" in sentence


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ({"code": "INVALID_NODE", "node_name": "p", "node_operator": "PredictedConv"}, "operator library"),
        ({"code": "MEM_ALLOC_FAILED", "desc": "no memory"}, "close other programs"),
        ({"code": "MODEL_DESERIALIZE_FAILED", "desc": "bad protobuf"}, "copy or calibrate it again"),
        ({"code": "INVALID_GRAPH", "desc": "odd"}, "calibrate the float model again"),
    ],
)
def test_the_remedy_is_that_of_the_error(world, model, tmp_path, error, remedy) -> None:
    world.parser_errors = [error]
    refused(model, tmp_path, remedy)


def test_what_a_plugin_says_is_told_instead_of_what_the_parser_knows_of_it(world, model, tmp_path) -> None:
    said = "PredictedConv 'p' of the network cannot be made: has no weight_layout; write the file again"
    world.plugin_errors = [said, "While parsing node number 7:", "--- End node ---"]
    plugin = {"code": "UNSUPPORTED_NODE", "node_name": "p", "node_operator": "PredictedConv"}
    world.parser_errors = [plugin | {"desc": "Could not create the plugin."}]
    sentence = refused(model, tmp_path, said)
    assert sentence.endswith("write the file again")
    world.parser_errors.append({"code": "INVALID_NODE", "node_name": "c", "node_operator": "Conv"})
    refused(model, tmp_path, said, "node c (Conv): INVALID_NODE")
    world.parser_errors = [plugin | {"node_name": "q", "desc": "Could not create the plugin."}]
    refused(model, tmp_path, "node q (PredictedConv): Could not create", "reinstall layoutrt")


def test_what_a_plugin_says_comes_before_what_tensorrt_makes_of_it(world, model, tmp_path) -> None:
    said = "LayoutConv 'l' could not be launched: no kernel image is available"
    world.build_errors = [said, "one", "Error Code 10: Could not find any implementation for node l."]
    refused(model, tmp_path, f"{said}; one; Could not find any implementation for node l;")


def test_more_errors_than_one_reads_are_counted(world, model, tmp_path) -> None:
    world.parser_errors = [
        {"code": "INVALID_NODE", "node_name": f"n{i}", "node_operator": "Conv"} for i in range(9)
    ]
    refused(model, tmp_path, "node n4", "and 4 more")


def test_a_build_that_fails_tells_the_last_errors_of_the_log(world, model, tmp_path) -> None:
    world.build_errors = [
        "first",
        "[optimizer.cpp::computeCosts::3728] Error Code 10: Could not find any implementation for node x.",
    ]
    refused(model, tmp_path, "Could not find any implementation for node x;", "--verbose")


def test_messages_of_several_lines_are_one_sentence(world, model, tmp_path) -> None:
    world.build_errors = ["[a.cpp::b::1] Error Code 9: Skipping tactic 0x1\nwith exception:\n  no kernel.\n"]
    refused(model, tmp_path, "Skipping tactic 0x1 with exception: no kernel;")
    world.parser_errors = [{"code": "INVALID_NODE", "node_operator": "Conv", "desc": "bad\n pads\n"}]
    refused(model, tmp_path, "(Conv): bad pads;")


def test_a_folder_in_the_place_of_a_file_is_seen_before_the_build(world, model, tmp_path) -> None:
    for name in ("edge.engine", "edge.engine.json", "edge.engine.layers.json"):
        (tmp_path / name).mkdir()
        refused(model, tmp_path, f"cannot write {tmp_path / name}: it is a folder")
        assert world.phases == []
        (tmp_path / name).rmdir()


def test_an_operator_library_may_be_named_from_here(world, model, tmp_path) -> None:
    before = os.getcwd()
    os.chdir(world.operators.parent)
    os.environ["LAYOUTRT_TRT_LIBRARY"] = world.operators.name
    # Where the loader looks for a name without a folder.
    search = os.environ.pop("LD_LIBRARY_PATH", "")
    try:
        build(model, tmp_path)
    finally:
        os.environ["LD_LIBRARY_PATH"] = search
        os.chdir(before)
    assert world.libraries == [str(world.operators)]


def test_memory_that_runs_out_while_building_is_told_with_what_helps(world, model, tmp_path) -> None:
    world.build_errors = ["[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)"]
    refused(
        model, tmp_path, "memory ran out", "Orin (8.0 GiB)", "--workspace (such as 4096 MB)", "smaller --max"
    )
    refused(model, tmp_path, "a smaller one than 512 MB", workspace_mb=512)


def test_an_engine_that_cannot_be_loaded_again_is_not_written(world, model, tmp_path) -> None:
    world.loads = False
    refused(model, tmp_path, "memory ran out")


def test_a_failed_build_leaves_the_engine_of_before_as_it_was(world, model, tmp_path) -> None:
    build(model, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    world.build_errors = ["no"]
    with pytest.raises(LayoutRTError):
        build(model, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"STUB_LIBRARY_TENSORRT": "80601"}, ("built for TensorRT 8", "reinstalling layoutrt")),
        ({"STUB_LIBRARY": "0.0.9"}, ("of layoutrt 0.0.9", "reinstall layoutrt")),
        ({"LAYOUTRT_TRT_LIBRARY": "/absent.so"}, ("/absent.so", "LAYOUTRT_TRT_LIBRARY")),
        ({"STUB_GPUS": "0"}, ("finds no GPU", "--gpus all")),
        ({"STUB_CUINIT": "803"}, ("does not fit the kernel module", "restart")),
        ({"STUB_CUINIT": "999"}, ("error 999", "groups video and render", "nvidia-smi")),
    ],
)
def test_what_is_missing_on_the_machine_is_one_sentence(world, model, tmp_path, environment, words) -> None:
    os.environ |= environment
    refused(model, tmp_path, *words)


def test_a_driver_that_is_too_old_for_tensorrt_is_told_by_its_log(world, model, tmp_path) -> None:
    from layoutrt.runtime.backends.trt.log import message_log

    with pytest.raises(TypeError, match="factory function returned nullptr"):
        # What the real class does over a library that gives nothing.
        world.trt.Builder(message_log(world.module))

    def log() -> None:
        error = world.trt.ILogger.Severity.ERROR
        message_log(world.module).log(error, "CUDA initialization failure with error: 35.")

    world.module.Builder.fails = log
    refused(
        model, tmp_path, "TensorRT cannot be started: CUDA initialization failure with error: 35", "too old"
    )


def test_a_library_without_our_plugins_is_refused(world, model, tmp_path) -> None:
    os.environ["LAYOUTRT_TRT_LIBRARY"] = str(world.operators.with_name("libcuda.so.1"))
    refused(model, tmp_path, "not an operator library of layoutrt")
