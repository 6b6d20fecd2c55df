"""``layoutrt doctor``: what is there, what is missing, what is broken."""

import json
import sys

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.trt.library import import_tensorrt
from layoutrt.runtime.doctor import self_check
from layoutrt.runtime.doctor.checks import BROKEN, MISSING, OK, UNFIT, Check, as_table, is_sound
from layoutrt.runtime.doctor.gpu import examine_gpu
from tests.support import processor_isas

NAMES = (
    "layoutrt", "processor", "memory", "numpy", "onnx", "onnxruntime", "opencv-python",
    "ONNX Runtime library", "operator library", "operators", "shipped models", "torch",
    "NVIDIA driver", "GPU", "CUDA", "TensorRT", "TensorRT library", "TensorRT operators",
    "native engines", "pycuda",
)  # fmt: skip


def checks(text):
    report = json.loads(text)
    return report["sound"], {check["name"]: check for check in report["checks"]}


def test_a_machine_that_runs_these_tests_is_sound(cli):
    outcome = cli("doctor", "--json", "-")
    sound, found = checks(outcome.out)
    assert outcome.code == 0
    assert sound
    assert tuple(found) == NAMES
    assert found["operators"]["state"] == OK
    assert "ONNX Runtime" in found["operators"]["found"]
    for check in found.values():
        assert check["state"] in (OK, MISSING)
        assert (check["state"] == OK) == (check["remedy"] == "")


def test_the_table_names_everything(cli):
    outcome = cli("doctor")
    assert outcome.code == 0
    for name in NAMES:
        assert name in outcome.out


def test_a_missing_native_library_is_found_and_fails(subprocess_cli, tmp_path):
    done = subprocess_cli(
        "doctor", "--json", "-", environment={"LAYOUTRT_LIBRARY": str(tmp_path / "gone.so")}
    )
    sound, found = checks(done.stdout)
    assert done.returncode == 1
    assert done.stderr == ""
    assert not sound
    assert found["operator library"]["state"] == BROKEN
    assert "gone.so" in found["operator library"]["found"]
    assert found["operators"]["state"] == BROKEN


def test_a_missing_onnxruntime_is_found_and_fails(subprocess_cli, tmp_path):
    done = subprocess_cli(
        "doctor", "--json", "-", environment={"LAYOUTRT_ONNXRUNTIME": str(tmp_path / "gone.so")}
    )
    _, found = checks(done.stdout)
    assert done.returncode == 1
    assert found["ONNX Runtime library"]["state"] == BROKEN
    assert "gone.so" in found["ONNX Runtime library"]["found"]


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_the_operators_are_right_on_every_instruction_set(subprocess_cli, isa):
    processor_isas.require(isa)
    done = subprocess_cli("doctor", "--json", "-", environment={"LAYOUTRT_ISA": isa})
    assert done.returncode == 0, done


def test_operators_that_give_wrong_numbers_are_noticed(monkeypatch):
    monkeypatch.setattr(self_check, "_varying", lambda x, w: np.zeros_like(x))
    with pytest.raises(LayoutRTError, match="wrong results"):
        self_check.check_operators()


def test_brackets_in_a_remedy_are_shown_as_they_are():
    from rich.console import Console

    console = Console(width=200)
    with console.capture() as capture:
        console.print(as_table([Check("x", MISSING, "no", "pip install 'layoutrt[train]'")]))
    assert "layoutrt[train]" in capture.get()


def test_only_what_is_broken_makes_a_machine_unsound():
    assert is_sound([Check("a", OK, ""), Check("b", MISSING, ""), Check("c", UNFIT, "")])
    assert not is_sound([Check("a", OK, ""), Check("b", BROKEN, "")])


def test_a_folder_called_tensorrt_is_not_the_package(monkeypatch, tmp_path):
    (tmp_path / "tensorrt").mkdir()
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    check = {found.name: found for found in examine_gpu()}["TensorRT"]
    assert (check.state, check.found) == (MISSING, "no Python package tensorrt")
    with pytest.raises(LayoutRTError, match="this needs TensorRT, whose Python package"):
        import_tensorrt("this")
    sys.modules.pop("tensorrt")
