"""Fixtures of calibration's tests: layouts as files, and a look at what ONNX Runtime executes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from layoutrt.drive import Drive
from layoutrt.layouts import label_set, write_layout
from layoutrt.runtime.backends.native_bindings import operator_library


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three layouts, 64x96."""
    folder = tmp_path_factory.mktemp("layouts")
    drive = Drive(label_set("camvid"), 64, 96)
    for index in (0, 40, 80):
        write_layout(folder / f"{index:03}.png", drive.frame(index), label_set("camvid"))
    return folder


@pytest.fixture
def write_constant(tmp_path: Path) -> Callable[[int], Path]:
    """Writes a folder of one layout, 64x96, of a single class."""

    def write(label: int) -> Path:
        folder = tmp_path / f"constant_{label}"
        labels = np.full((64, 96), label, np.uint8)
        write_layout(folder / "layout.png", labels, label_set("camvid"))
        return folder

    return write


@pytest.fixture
def executed_operators(tmp_path: Path) -> Callable[[Path], list[str]]:
    """Gives the operators of the graph that ONNX Runtime makes of a model."""

    def operators(model: Path) -> list[str]:
        options = onnxruntime.SessionOptions()
        options.register_custom_ops_library(str(operator_library()))
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        return [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]

    return operators
