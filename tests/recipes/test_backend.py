"""The recipe "Add a Python backend" of CONTRIBUTING.md: two files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.session import Session
from tests.recipes.recipe import follow, required_files, source_files

MODEL = """<ir_version: 10, opset_import: ["" : 20], metadata_props: ["color": "red"]>
brighter (uint8[N,H,W,3] frame) => (uint8[N,H,W,3] image) {
  wide = Cast <to = 1> (frame)
  half = Constant <value_float = 0.5> ()
  scaled = Mul(wide, half)
  image = Cast <to = 2> (scaled)
}
"""

RUNS_IT = """
import numpy as np
from layoutrt import LayoutRTError, Session

frame = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3), np.uint8)
with Session("brighter.onnxtxt") as session:
    assert session.backend.endswith("reference evaluator"), session.backend
    assert [str(info) for info in session.inputs] == ["uint8 [?, ?, ?, 3]"]
    assert session.metadata == {"color": "red"}
    np.testing.assert_array_equal(session.run(frame=frame)["image"], frame // 2)
    np.testing.assert_array_equal(session.submit(frame=frame).result()["image"], frame // 2)
    assert session.timings.runs == 2
    try:
        session.run(frame=frame[..., :2])
    except LayoutRTError as error:
        assert "must be uint8 [?, ?, ?, 3], got" in str(error)
    else:
        raise AssertionError("a wrong shape was taken")
# The other files run as before.
assert "CPU" in Session("camvid-edge").backend
"""


def test_a_python_backend_takes_two_source_files_and_runs_a_model(tmp_path: Path) -> None:
    sources = follow("backend", tmp_path)
    example = {"runtime/backends/trt/model.py": "runtime/backends/onnx_text.py"}
    # The recipe's third file says what a backend is, and does not change.
    asked = required_files("Add a Python backend", example) - {"runtime/backends/base.py"}
    assert sources.changed == asked
    assert len(source_files(sources.changed)) == 2
    (tmp_path / "brighter.onnxtxt").write_text(MODEL)
    sources.run(sys.executable, "-c", RUNS_IT)


def test_without_the_recipe_such_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "brighter.onnxtxt").write_text(MODEL)
    with pytest.raises(LayoutRTError, match=r"brighter\.onnxtxt"):
        Session(tmp_path / "brighter.onnxtxt")
