"""``layoutrt build-engine`` where there is no TensorRT: help, refusals, and that nothing is left behind."""

from __future__ import annotations

import sys

import pytest

from layoutrt.calib.calibrate import calibrate


@pytest.fixture(scope="module")
def placed(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("placed") / "tiny.trt.onnx"
    calibrate(str(tiny_model), "drive:1", path, precision="fp16", target="tensorrt")
    return path


def test_help_names_every_option(cli) -> None:
    outcome = cli("build-engine", "--help")
    assert outcome.code == 0
    for option in ("--min", "--opt", "--max", "--max-batch", "--workspace", "--timing-cache", "--dla",
                   "--version-compatible", "--hardware-compatible", "--verbose"):  # fmt: skip
        assert option in outcome.out


def test_a_machine_without_tensorrt_is_told_how_to_get_it(refuses, placed, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    out = tmp_path / "tiny.engine"
    refuses(("build-engine", placed, "--out", out), "building an engine needs TensorRT", "apt install")
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_checked_before_anything_is_loaded(refuses, placed, tmp_path) -> None:
    out = tmp_path / "tiny.engine"
    refuses(("build-engine", placed, "--out", tmp_path / "tiny.plan"), "must end in .engine")
    refuses(("build-engine", placed, "--out", out, "--max", "128x192"), "is made for 64x96")
    refuses(("build-engine", placed, "--out", out, "--opt", "64"), "'64' is not a size")
    refuses(("build-engine", "camvid-edge", "--out", out), "--target tensorrt")
    (tmp_path / "file").write_text("")
    refuses(("build-engine", placed, "--out", tmp_path / "file" / "x.engine"), "cannot write")


def test_onnx_runtime_says_what_to_do_with_a_file_for_tensorrt(refuses, placed, tmp_path) -> None:
    arguments = ("synthesize", placed, "drive:1", "--out", tmp_path / "out")
    refuses(arguments, "is placed for TensorRT", "layoutrt build-engine", "--target ort")
