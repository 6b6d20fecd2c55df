"""Loading through the C API: label sets, damaged metadata, files that change, and other ONNX Runtimes."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LABEL_SETS, LabelSet, label_set
from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings as native
from layoutrt.runtime.session import Session

OK, NOT_FOUND, INVALID_MODEL = 0, 2, 3


def model_bytes(metadata: dict[str, str], weight: float = 2.0) -> bytes:
    """y = x * weight."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [numpy_helper.from_array(np.full(3, weight, np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata)
    return model.SerializeToString()


@pytest.fixture
def load() -> Iterator[Callable[[bytes], ctypes.c_void_p]]:
    """Opens a model in memory; raises what the library says."""
    api, handles = native.load(), []

    def loads(data: bytes) -> ctypes.c_void_p:
        runtime = native.onnxruntime_library()
        options = native.SessionOptions(
            ctypes.sizeof(native.SessionOptions), os.fsencode(runtime) if runtime else None, 1
        )
        handle = ctypes.c_void_p()
        status = api.lrt_session_create_from_memory(
            data, len(data), ctypes.byref(options), ctypes.byref(handle)
        )
        if status:
            raise LayoutRTError(f"{status}: {api.lrt_last_error().decode()}")
        handles.append(handle)
        return handle

    yield loads
    for handle in handles:
        api.lrt_session_destroy(handle)


def read_label_set(handle: ctypes.c_void_p) -> native.NativeLabelSet:
    read = native.NativeLabelSet(ctypes.sizeof(native.NativeLabelSet))
    native.check(native.load().lrt_session_label_set(handle, ctypes.byref(read)))
    return read


@pytest.mark.parametrize("name", [*LABEL_SETS, "extra"])
def test_the_label_set_is_that_of_python(
    load: Callable[[bytes], ctypes.c_void_p], extra_dont_care: LabelSet, name: str
) -> None:
    wanted = extra_dont_care if name == "extra" else label_set(name)
    read = read_label_set(load(model_bytes({"layoutrt.label_set": wanted.to_json()})))
    count = wanted.num_classes
    assert (read.name.decode(), read.count) == (wanted.name, count)
    assert read.dont_care == (-1 if wanted.dont_care is None else wanted.dont_care)
    assert [text.decode() for text in read.names[:count]] == wanted.names
    assert np.array(read.palette[: 3 * count]).reshape(-1, 3).tolist() == wanted.palette.tolist()
    assert read.file_values[:count] == wanted.file_values
    assert [bool(thing) for thing in read.things[: len(wanted.labels)]] == [i.thing for i in wanted.labels]


def test_a_model_that_gives_an_input_back_is_refused(load: Callable[[bytes], ctypes.c_void_p]) -> None:
    model = onnx.load_from_string(model_bytes({}))
    model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [3]))
    with pytest.raises(LayoutRTError, match=f"{INVALID_MODEL}: .*gives its input 'x' back"):
        load(model.SerializeToString())


def test_names_keep_every_character(load: Callable[[bytes], ctypes.c_void_p]) -> None:
    name = 'ä"\\/\b\f\n\r\t\x1f€𝄞'
    for ascii_only in (True, False):
        text = json.dumps(
            {
                "name": name,
                "labels": [{"name": name, "color": [1, 2, 3], "thing": True}],
                "future": [1e9, None],
            },
            ensure_ascii=ascii_only,
        )
        read = read_label_set(load(model_bytes({"layoutrt.label_set": text})))
        assert (read.name.decode(), read.names[0].decode()) == (name, name)


def test_a_model_without_a_label_set_says_so(load: Callable[[bytes], ctypes.c_void_p]) -> None:
    with pytest.raises(LayoutRTError, match="the model names no label set"):
        read_label_set(load(model_bytes({})))


LABEL = '{"name":"a","color":[1,2,3],"thing":true}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the text ends early at byte 0"),
        ("{", "a name is missing at byte 1"),
        ("[" * 100_000, "nested too deeply"),
        ('{"name":' * 100_000, "nested too deeply"),
        ("null", "it is not an object"),
        ("{} {}", "something follows"),
        ('{"name":"a"}', "it has no 'labels'"),
        ('{"name":3,"labels":[]}', "it has a 'name' of the wrong type"),
        ('{"name":"a","labels":[]}', "it has 0 labels, not 1 to 254"),
        ('{"name":"a","labels":[' + ",".join([LABEL] * 255) + "]}", "it has 255 labels"),
        (f'{{"name":"a","labels":[{LABEL},{LABEL}]}}', "two classes are 'a'"),
        ('{"name":"a","labels":[7]}', "label 0 is not an object"),
        ('{"name":"a","labels":[{"name":"a","thing":true}]}', "label 0 has no 'color'"),
        ('{"name":"a","labels":[{"name":"a","thing":true,"color":[1,2]}]}', "not three bytes"),
        ('{"name":"a","labels":[{"name":"a","thing":true,"color":[1,2,256]}]}', "not three bytes"),
        ('{"name":"a","labels":[{"name":"a","thing":true,"color":[1,2,3.0]}]}', "not three bytes"),
        ('{"name":"a\\u0000b","labels":[' + LABEL + "]}", "null byte"),
        ('{"name":"\\ud800","labels":[]}', "surrogate"),
        ('{"name":"\\ud800\\u0041","labels":[]}', "surrogate"),
        ('{"name":"\\u12', "four digits"),
        ('{"name":"\\x"}', "unknown escape"),
        ('{"name":"\n"}', "control character"),
        ('{"name":"', "does not end"),
        ('{"name":01}', "starts with 0"),
        ('{"name":-}', "a value is missing"),
        ('{"name":1.}', "a value is missing"),
        ('{"name":1e}', "a value is missing"),
        ('{"a":1 "b":2}', "',' or '}' is missing"),
        (f'{{"name":"a","labels":[{LABEL}],"dont_care":2}}', "'dont_care' that is not a class"),
        (f'{{"name":"a","labels":[{LABEL}],"dont_care":1}}', "no 'file_dont_care'"),
        (f'{{"name":"a","labels":[{LABEL}],"dont_care":99999999999999999999}}', "wrong type"),
        (
            f'{{"name":"a","labels":[{LABEL}],"dont_care":1,"file_dont_care":0}}',
            "two classes have the file value",
        ),
        (f'{{"name":"a","labels":[{LABEL}],"file_offset":300}}', "out of range"),
        (f'{{"name":"a","labels":[{LABEL}],"file_offset":-1}}', "not a byte"),
        (" " * (1 << 20) + "{}", "longer than 1 MiB"),
    ],
)
def test_a_damaged_label_set_is_an_invalid_model(
    load: Callable[[bytes], ctypes.c_void_p], text: str, problem: str
) -> None:
    with pytest.raises(LayoutRTError) as caught:
        load(model_bytes({"layoutrt.label_set": text}))
    sentence = str(caught.value)
    assert sentence.startswith(f"{INVALID_MODEL}: the model in memory has a label set in its metadata that")
    assert problem in sentence


def test_no_damage_to_a_label_set_crashes(load: Callable[[bytes], ctypes.c_void_p]) -> None:
    whole = label_set("camvid").to_json()
    random = np.random.default_rng(0)
    for cut in random.integers(0, len(whole), 30):
        with pytest.raises(LayoutRTError, match="label set"):
            load(model_bytes({"layoutrt.label_set": whole[:cut]}))
    for _ in range(150):
        damaged = bytearray(whole.encode())
        for place in random.integers(0, len(damaged), 3):
            damaged[place] = random.choice(list(b'{}[],:"\\0-9.eu\x01 az'))
        try:
            read_label_set(load(model_bytes({"layoutrt.label_set": damaged.decode()})))
        except LayoutRTError as error:
            assert "label set" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("text", "word"), [("two", "not a number"), ("9" * 30, "newer"), ("", "not a number")]
)
def test_a_format_that_is_not_known_is_an_invalid_model(
    load: Callable[[bytes], ctypes.c_void_p], text: str, word: str
) -> None:
    with pytest.raises(LayoutRTError, match=f"{INVALID_MODEL}: .*{word}"):
        load(model_bytes({"layoutrt.format": text}))


@pytest.mark.parametrize("change", ["truncate", "rename", "remove", "overwrite"])
def test_a_session_does_not_depend_on_its_file_any_more(tmp_path: Path, change: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(model_bytes({}))
    session = Session(path, threads=1)
    x = np.ones(3, np.float32)
    if change == "truncate":
        os.truncate(path, 10)
    elif change == "rename":
        (tmp_path / "new.onnx").write_bytes(model_bytes({}, weight=5))
        (tmp_path / "new.onnx").rename(path)
    elif change == "remove":
        path.unlink()
    else:
        path.write_bytes(b"\xff" * 4096)
    assert session.run(x=x)["y"].tolist() == [2, 2, 2]
    if change == "rename":
        assert Session(path, threads=1).run(x=x)["y"].tolist() == [5, 5, 5]


def test_external_data_may_be_replaced_by_renaming(tmp_path: Path) -> None:
    weight = np.full(50_000, 2, np.float32)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "test",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [50_000]) for n in "x"],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [50_000]) for n in "y"],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    session = Session(tmp_path / "m.onnx", threads=1)
    (tmp_path / "new.data").write_bytes(bytes(100))
    (tmp_path / "new.data").rename(tmp_path / "m.data")
    np.testing.assert_array_equal(session.run(x=weight)["y"], weight * 2)
    with pytest.raises(LayoutRTError, match=r"cannot load .*m\.onnx"):
        Session(tmp_path / "m.onnx", threads=1)


def test_labels_that_are_no_class_contribute_nothing() -> None:
    session = Session(resolve_model("camvid-edge"), threads=1)
    height = width = 64
    high = [np.full((1, height, width), value, np.uint8) for value in (12, 200, 255)]
    images = [session.run(labels=labels)["image"] for labels in high]
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])
    assert (session.run(labels=np.zeros_like(high[0]))["image"] != images[0]).any()


OTHER_LIBRARY = r"""
#include <stddef.h>
struct base { const void* (*get_api)(unsigned); const char* (*get_version)(void); };
static const void* no_api(unsigned version) { (void)version; return NULL; }
static const char* old_version(void) { return "1.11.1"; }
static const struct base old = {no_api, old_version};
const struct base* OrtGetApiBase(void) { return MADE; }
"""


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ("&old", "ONNX Runtime 1.11.1 is too old, layoutrt needs 1.20 or newer"),
        ("NULL", "is not ONNX Runtime"),
    ],
)
def test_another_onnxruntime_is_refused_with_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: str, sentence: str
) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "other.c").write_text(OTHER_LIBRARY)
    other = tmp_path / "libother.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-DMADE={made}", str(tmp_path / "other.c"), "-o", str(other)],
        check=True,
    )
    model = tmp_path / "m.onnx"
    model.write_bytes(model_bytes({}))
    monkeypatch.setenv("LAYOUTRT_ONNXRUNTIME", str(other))
    with pytest.raises(LayoutRTError) as caught:
        Session(model)
    assert sentence in str(caught.value)
    (tmp_path / "text.so").write_text("no library")
    monkeypatch.setenv("LAYOUTRT_ONNXRUNTIME", str(tmp_path / "text.so"))
    with pytest.raises(LayoutRTError, match=r"could not be opened at .*text\.so"):
        Session(model)
