"""The Session: what it says about a model, what it returns, and how it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from layoutrt import native_library
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings
from layoutrt.runtime.session import Session, Spinning, TensorInfo


def save(path: Path, *, dynamic: bool = False, metadata: dict[str, str] | None = None) -> Path:
    """A model of two inputs and two outputs: total = a + b, and doubled = a * 2."""
    shape: list[str | int | None] = ["n" if dynamic else 2, 3]
    two = helper.make_node("Constant", [], ["two"], value_float=2.0)
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["a", "b"], ["total"]),
            two,
            helper.make_node("Mul", ["a", "two"], ["doubled"]),
        ],
        "sum",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b")],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("total", "doubled")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


A = np.arange(6, dtype=np.float32).reshape(2, 3)
B = np.full((2, 3), 10, np.float32)


def test_session_describes_the_model_and_what_runs_it(tmp_path: Path) -> None:
    with Session(
        save(tmp_path / "m.onnx", metadata={"layoutrt.format": "1", "name": "é"}), threads=2
    ) as session:
        float32 = np.dtype("float32")
        assert session.inputs == (TensorInfo("a", float32, (2, 3)), TensorInfo("b", float32, (2, 3)))
        assert [info.name for info in session.outputs] == ["total", "doubled"]
        assert session.metadata == {"layoutrt.format": "1", "name": "é"}
        assert session.backend.startswith("ONNX Runtime 1.")
        assert session.backend.endswith(" operators, 2 threads")


@pytest.mark.parametrize("dynamic", [False, True])
def test_run_returns_every_output(tmp_path: Path, dynamic: bool) -> None:
    session = Session(save(tmp_path / "m.onnx", dynamic=dynamic))
    assert session.outputs[0].shape == (None if dynamic else 2, 3)
    first = session.run(a=A, b=B)
    np.testing.assert_array_equal(first["total"], A + B)
    np.testing.assert_array_equal(first["doubled"], A * 2)
    session.run(a=B, b=B)
    np.testing.assert_array_equal(first["total"], A + B)


def test_dynamic_dimensions_may_change_between_runs(tmp_path: Path) -> None:
    session = Session(save(tmp_path / "m.onnx", dynamic=True))
    for rows in (1, 5, 0, 2):
        a = np.ones((rows, 3), np.float32)
        np.testing.assert_array_equal(session.run(a=a, b=a)["total"], a + a)


def test_inputs_need_not_be_contiguous(tmp_path: Path) -> None:
    session = Session(save(tmp_path / "m.onnx"))
    a = np.asfortranarray(A)
    np.testing.assert_array_equal(session.run(a=a, b=B[::-1])["total"], A + B)


def test_timings_count_runs_and_cover_them(tmp_path: Path) -> None:
    session = Session(save(tmp_path / "m.onnx"))
    assert session.timings.runs == 0
    for _ in range(3):
        session.run(a=A, b=B)
    timings = session.timings
    assert timings.runs == 3
    assert 0 < timings.engine_ms <= timings.total_ms


def test_submitted_runs_give_futures_in_order(tmp_path: Path) -> None:
    with Session(save(tmp_path / "m.onnx")) as session:
        futures = [session.submit(a=A + i, b=B) for i in range(5)]
        wrong = session.submit(a=A)
    # Closing has waited for them.
    for i, future in enumerate(futures):
        np.testing.assert_array_equal(future.result(0)["total"], A + i + B)
    with pytest.raises(LayoutRTError, match="input 'b' is missing"):
        wrong.result(0)
    with pytest.raises(LayoutRTError, match="is closed"):
        session.submit(a=A, b=B)


def test_a_callback_of_a_run_cannot_close_the_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    gate = threading.Event()
    with Session(save(tmp_path / "m.onnx")) as session:

        def close(future: object) -> None:
            try:
                session.close()
            except Exception as error:
                told.append(str(error))

        run = session.run
        monkeypatch.setattr(session, "run", lambda **inputs: gate.wait(30) and run(**inputs))
        first = session.submit(a=A, b=B)
        first.add_done_callback(close)
        second = session.submit(a=A, b=B)
        gate.set()
        np.testing.assert_array_equal(second.result(30)["total"], A + B)
    assert len(told) == 1
    assert "close it on another thread" in told[0]


def test_timings_are_summed_up(tmp_path: Path) -> None:
    session = Session(save(tmp_path / "m.onnx"))
    spent = 0.0
    for _ in range(3):
        session.run(a=A, b=B)
        spent += session.timings.total_ms
    assert session.timings.sum.total_ms == pytest.approx(spent)


def test_the_label_set_comes_with_the_model(tmp_path: Path) -> None:
    camvid = label_set("camvid")
    named = Session(save(tmp_path / "m.onnx", metadata={"layoutrt.label_set": camvid.to_json()}))
    assert named.label_set == camvid
    assert Session(save(tmp_path / "n.onnx")).label_set is None


def test_affinity_and_spinning_are_handed_on(tmp_path: Path) -> None:
    processor = min(os.sched_getaffinity(0))
    session = Session(save(tmp_path / "m.onnx"), affinity=str(processor), spinning=Spinning.NEVER)
    assert session.backend.endswith(" operators, 1 thread")
    np.testing.assert_array_equal(session.run(a=A, b=B)["total"], A + B)
    with pytest.raises(LayoutRTError, match="affinity 'first' is not a list of processors"):
        Session(save(tmp_path / "m.onnx"), affinity="first")


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"a": A}, "input 'b' is missing"),
        ({"a": A, "b": B, "c": B}, "has no input 'c'; it takes a, b"),
        ({"a": A.astype("f8"), "b": B}, "input 'a' must be float32 [2, 3], got float64 [2, 3]"),
        ({"a": A, "b": B[None]}, "input 'b' must be float32 [2, 3], got float32 [1, 2, 3]"),
        ({"a": A, "b": B[:1]}, "input 'b' must be float32 [2, 3], got float32 [1, 3]"),
        ({"a": A, "b": [1.0]}, "input 'b' must be a numpy array float32 [2, 3], got list"),
    ],
)
def test_wrong_inputs_are_refused_by_name(
    tmp_path: Path, inputs: dict[str, np.ndarray], sentence: str
) -> None:
    session = Session(save(tmp_path / "m.onnx"))
    with pytest.raises(LayoutRTError) as caught:
        session.run(**inputs)
    assert sentence in str(caught.value)


def test_inputs_that_disagree_are_a_sentence(tmp_path: Path) -> None:
    session = Session(save(tmp_path / "m.onnx", dynamic=True))
    with pytest.raises(LayoutRTError):
        session.run(a=np.ones((2, 3), np.float32), b=np.ones((4, 3), np.float32))
    np.testing.assert_array_equal(session.run(a=A, b=B)["total"], A + B)


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    whole = save(tmp_path / "m.onnx").read_bytes()
    for name, content in {"truncated": whole[:-20], "foreign": b"PK\x03\x04" * 50, "empty": b""}.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        with pytest.raises(LayoutRTError) as caught:
            Session(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(LayoutRTError, match=r"the model file .*absent\.onnx. does not exist"):
        Session(tmp_path / "absent.onnx")
    with pytest.raises(LayoutRTError, match="is not a file"):
        Session(tmp_path)


def test_a_shipped_model_is_opened_by_its_name_and_an_unknown_name_is_answered_with_those_there_are() -> None:
    with Session("camvid-edge", threads=1) as session:
        assert session.path == resolve_model("camvid-edge")
        assert session.label_set == label_set("camvid")
    with pytest.raises(LayoutRTError, match=r"no model 'camvid-egde' exists.*camvid-edge, camvid-edge-int8"):
        Session("camvid-egde")


def test_a_file_that_python_may_not_read_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    # Tests may run as the administrator, who can read every file.
    monkeypatch.setattr(Path, "read_bytes", denied)
    path = tmp_path / "m.onnx"
    path.touch()
    with pytest.raises(LayoutRTError, match=r"m\.onnx"):
        Session(path)


def test_a_model_of_a_newer_layoutrt_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "m.onnx", metadata={"layoutrt.format": "2", "layoutrt.version": "7.1"})
    with pytest.raises(LayoutRTError) as caught:
        Session(path)
    assert str(caught.value) == (
        f"'{path}' was made by a newer layoutrt (format 2, version 7.1); "
        "upgrade with: pip install --upgrade layoutrt"
    )


def test_a_closed_session_says_so(tmp_path: Path) -> None:
    session = Session(save(tmp_path / "m.onnx"))
    session.close()
    session.close()
    with pytest.raises(LayoutRTError, match="is closed"):
        session.run(a=A, b=B)
    with pytest.raises(LayoutRTError, match="is closed"):
        _ = session.timings


def test_threads_must_be_positive_and_not_thousands(tmp_path: Path) -> None:
    with pytest.raises(LayoutRTError, match="threads must be at most 256, got 5000"):
        Session(save(tmp_path / "m.onnx"), threads=5000)
    with pytest.raises(LayoutRTError, match="threads must be at least 1, got 0"):
        Session(save(tmp_path / "m.onnx"), threads=0)


def test_a_missing_native_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAYOUTRT_LIBRARY", str(tmp_path / "absent.so"))
    with pytest.raises(LayoutRTError, match=r"absent\.so' that LAYOUTRT_LIBRARY names does not exist"):
        native_library.operator_library()
    monkeypatch.delenv("LAYOUTRT_LIBRARY")
    monkeypatch.setattr(native_library, "NAME", "libabsent.so")
    with pytest.raises(LayoutRTError, match=r"was not found in .*; reinstall with: pip install layoutrt"):
        native_library.operator_library()


def test_a_wrong_onnxruntime_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = save(tmp_path / "m.onnx")
    monkeypatch.setenv("LAYOUTRT_ONNXRUNTIME", str(tmp_path / "absent.so"))
    with pytest.raises(LayoutRTError, match=r"ONNX Runtime could not be opened at .*absent\.so.*pip install"):
        Session(model)
    monkeypatch.setenv("LAYOUTRT_ONNXRUNTIME", str(native_bindings.operator_library()))
    with pytest.raises(LayoutRTError, match="is not ONNX Runtime"):
        Session(model)


def test_the_session_imports_neither_torch_nor_onnx_nor_onnxruntime(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from layoutrt.runtime.session import Session\n"
        "ones = np.ones((2, 3), 'f')\n"
        f"y = Session({str(save(tmp_path / 'm.onnx'))!r}).run(a=ones, b=ones)\n"
        "assert y['total'].sum() == 12\n"
        "assert not {'torch', 'onnx', 'onnxruntime'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
