"""Calibration, sensitivity and verification of ONNX files on a device that has no torch."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from layoutrt.models import resolve_checkpoint

# As `layoutrt` in an environment of the core's dependencies alone: what the extra brings cannot be imported.
CORE_ONLY = textwrap.dedent(
    """
    import sys

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("torch", "onnxscript", "tensorboard"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Missing())
    import layoutrt.calib.quality.speed
    layoutrt.calib.quality.speed._MOST_ROUNDS = 1
    from layoutrt.cli import main
    main(sys.argv[1:])
    """
)

Layoutrt = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def without_torch() -> Layoutrt:
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", CORE_ONLY, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture(scope="module")
def calibrated(without_torch: Layoutrt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("core") / "edge.int8.onnx"
    table = out.with_suffix(".json")
    done = without_torch("calibrate", "camvid-edge", "--data", "drive:2", "--table", table, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_calibrate_needs_no_torch(without_torch, calibrated, tmp_path):
    assert "int8" in without_torch("info", calibrated).stdout
    out = tmp_path / "edge.trt.onnx"
    table = calibrated.with_suffix(".json")
    done = without_torch(
        "calibrate",
        "camvid-edge",
        "--data",
        "drive:2",
        "--table",
        table,
        "--target",
        "tensorrt",
        "--out",
        out,
    )
    assert done.returncode == 0, done.stderr
    assert "tensorrt" in without_torch("info", out).stdout


def test_sensitivity_needs_no_torch(without_torch, calibrated, tmp_path):
    table = calibrated.with_suffix(".json")
    done = without_torch(
        "sensitivity",
        "camvid-edge",
        "--data",
        "drive:2",
        "--eval-frames",
        "1",
        "--table",
        table,
        "--out",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "sensitivity.json").read_text())["layers"]


def test_verify_of_onnx_files_needs_no_torch(without_torch, calibrated, tmp_path):
    out = tmp_path / "result.json"
    done = without_torch(
        "verify", "camvid-edge", calibrated, "--data", "drive:2", "--json", out, "--min-psnr", "20"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())["image"]


def test_verify_of_a_checkpoint_says_that_it_needs_torch(without_torch):
    done = without_torch("verify", resolve_checkpoint("camvid-seg"), "camvid-seg", "--data", "drive:2")
    assert done.returncode == 1
    assert "'torch'" in done.stderr
    assert "pip install 'layoutrt[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_records_of_operators_are_read_when_they_are_asked_for():
    code = (
        "import sys, layoutrt, layoutrt.operators as o; assert not {'onnx', 'torch'} & sys.modules.keys(); "
        "o.operators(); assert 'onnx' in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
