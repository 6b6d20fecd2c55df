"""Large models keep their weights in a file of their own."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.errors import LayoutRTError
from layoutrt.graph.onnx_file import save_model, weights_path
from layoutrt.runtime.session import Session


def model(scale: float) -> onnx.ModelProto:
    weights = {
        "big": np.full((64, 64), scale, np.float32),
        "odd": np.full(300, scale, np.float32),
        "small": np.full(3, scale, np.float32),
    }
    nodes = [helper.make_node("ReduceSum", [name], [f"{name}_sum"], keepdims=0) for name in weights]
    nodes.append(helper.make_node("Sum", ["x", *(f"{name}_sum" for name in weights)], ["y"]))
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "sums", value[:1], value[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(path) -> float:
    with Session(path) as session:
        return float(session.run(x=np.zeros(1, np.float32))["y"][0])


COUNT = 64 * 64 + 300 + 3


def test_weights_above_the_limit_go_to_a_file_beside_the_model(tmp_path) -> None:
    path = tmp_path / "sums.onnx"
    save_model(model(2.0), path, apart_from=1024)
    assert weights_path(path).name == "sums.onnx.data"
    assert weights_path(path).stat().st_size == 4 * 4096 + 1200  # each tensor starts at a page
    assert path.stat().st_size < 2048
    assert run(path) == 2.0 * COUNT
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sums.onnx", "sums.onnx.data"]
    onnx.checker.check_model(str(path))


def test_a_small_model_stays_one_file_and_removes_what_a_large_one_left(tmp_path) -> None:
    path = tmp_path / "sums.onnx"
    save_model(model(2.0), path, apart_from=1024)
    save_model(model(3.0), path)
    assert [file.name for file in tmp_path.iterdir()] == ["sums.onnx"]
    assert run(path) == 3.0 * COUNT


def test_a_failed_write_leaves_the_former_model_whole(tmp_path, monkeypatch) -> None:
    path = tmp_path / "sums.onnx"
    save_model(model(2.0), path, apart_from=1024)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx, "save", full)
    with pytest.raises(LayoutRTError, match="No space left"):
        save_model(model(3.0), path, apart_from=1024)
    assert run(path) == 2.0 * COUNT
    assert len(list(tmp_path.iterdir())) == 2
