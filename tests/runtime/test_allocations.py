"""The library asks for no memory once a session has run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layoutrt.calib.calibrate import calibrate

COUNTER = Path(__file__).with_name("allocation_counter.cpp")

PROGRAM = """
import ctypes, sys
import numpy as np
from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.backends.native import native_tensors
from layoutrt.runtime.session import Session

counter = ctypes.CDLL(sys.argv[1])
session = Session(resolve_model(sys.argv[2]), threads=2)
labels = np.zeros((1, 64, 64), np.uint8)
image = np.empty((1, 64, 64, 3), np.uint8)
inputs, outputs = native_tensors({"labels": labels}), native_tensors({"image": image})


def run():
    native_bindings.check(native_bindings.load().lrt_session_run(session.handle, inputs, 1, outputs, 1))


counter.start_counting()
run()
first = counter.stop_counting()
# Any of the two threads may take any part of the work: after a few runs each has had the largest.
for _ in range(20):
    run()
counter.start_counting()
for _ in range(5):
    run()
print(first, counter.stop_counting())
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    library = tmp_path_factory.mktemp("counter") / "counter.so"
    subprocess.run([compiler, "-O1", "-fPIC", "-shared", COUNTER, "-o", library, "-ldl"], check=True)
    return library


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_runs_after_the_first_allocate_nothing_of_their_own(counter, tmp_path, precision) -> None:
    model = "camvid-edge"
    if precision == "int8":
        model = str(calibrate(model, "drive:2", tmp_path / "int8.onnx", threads=1).path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, counter, model],
        env=os.environ | {"LD_PRELOAD": str(counter)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, later = map(int, done.stdout.split())
    assert first > 0  # the counter counts
    assert later == 0
