"""LAYOUTRT_ISA: every spelling of what this processor has is taken, all else is refused in a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from layoutrt.models import resolve_model
from tests.support import processor_isas

USABLE = processor_isas.usable()
LACKING = [isa for isa in processor_isas.NAMES if isa not in USABLE]

# Prints what each entry of the library says that uses kernels: a status and a sentence.
SCRIPT = r"""
import ctypes, json, os, sys
import numpy as np
from layoutrt.native_library import operator_library
from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.runtime.backends import native_bindings as native

api, model = native.load(), sys.argv[1]
said = {"simd": api.lrt_simd().decode()}

def note(entry, status):
    said[entry] = [status, api.lrt_last_error().decode() if status else ""]

path = native.onnxruntime_library()
options = native.SessionOptions(ctypes.sizeof(native.SessionOptions), os.fsencode(path) if path else None, 1)
handle = ctypes.c_void_p()
data = open(model, "rb").read()
note("file", api.lrt_session_create(model.encode(), ctypes.byref(options), ctypes.byref(handle)))
note("memory", api.lrt_session_create_from_memory(
    data, len(data), ctypes.byref(options), ctypes.byref(handle)))

one = np.ones(9, np.float32)
floats = one.ctypes.data_as(ctypes.c_void_p)
label = (ctypes.c_uint8 * 1)(0)
big, small = ctypes.c_int64, ctypes.c_int32
out = lambda: np.zeros(9, np.float32).ctypes.data_as(ctypes.c_void_p)
note("varying", api.lrt_train_spatially_varying_conv(
    floats, floats, None, None, out(), big(1), big(1), big(1), big(1), small(1), small(1)))
note("varying_backward", api.lrt_train_spatially_varying_conv_backward(
    floats, floats, floats, None, None, out(), out(), None, None,
    big(1), big(1), big(1), big(1), small(1), small(1)))
note("layout", api.lrt_train_layout_conv(
    label, floats, floats, out(), big(1), big(1), big(1), big(1), small(1), small(1), small(1), small(1)))
note("layout_backward", api.lrt_train_layout_conv_backward(
    floats, label, out(), out(), big(1), big(1), big(1), big(1), small(1), small(1), small(1), small(1)))
note("predicted", api.lrt_train_predicted_conv(
    floats, floats, floats, floats, None, None, out(),
    big(1), big(1), big(1), big(1), big(1), small(1), small(1)))
note("predicted_backward", api.lrt_train_predicted_conv_backward(
    floats, floats, floats, floats, floats, None, None, out(), out(), out(), out(), None, None,
    big(1), big(1), big(1), big(1), big(1), small(1)))

settings = import_onnxruntime().SessionOptions()
try:
    settings.register_custom_ops_library(str(operator_library()))
    said["onnxruntime"] = [0, ""]
except Exception as error:
    said["onnxruntime"] = [1, str(error)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def entries() -> Callable[[str], dict[str, Any]]:
    """Answer of every entry point to a value of ``LAYOUTRT_ISA``."""

    def ask(isa: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, resolve_model("camvid-edge")],
            capture_output=True,
            text=True,
            env=os.environ | {"LAYOUTRT_ISA": isa},
        )
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    return ask


@pytest.mark.parametrize("isa", [*USABLE, ""])
def test_what_the_processor_has_is_taken_by_every_spelling(
    entries: Callable[[str], dict[str, Any]], isa: str
) -> None:
    name = processor_isas.NAMES[isa or USABLE[0]]
    for spelling in {isa, isa.upper(), name, name.lower()} if isa else {""}:
        said = entries(spelling)
        assert said.pop("simd") == name
        assert all(answer == [0, ""] for answer in said.values()), said


@pytest.mark.parametrize("isa", ["banana", "AVX3", " ", "avx", *LACKING])
def test_what_it_lacks_is_refused_by_every_entry_with_what_there_is(
    entries: Callable[[str], dict[str, Any]], isa: str
) -> None:
    said = entries(isa)
    assert said.pop("simd") == ""
    assert len(said) == 9
    for entry, (status, sentence) in said.items():
        assert status == 1, entry
        assert f"LAYOUTRT_ISA is '{isa}', which this machine or build does not have" in sentence, entry
        for usable in USABLE:
            assert f"{usable} ({processor_isas.NAMES[usable]})" in sentence, entry
        for lacking in LACKING:
            assert f"{lacking} (" not in sentence, entry


def test_the_command_line_refuses_it_in_one_line(
    subprocess_cli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Any
) -> None:
    done = subprocess_cli(
        "synthesize", "camvid-edge", "drive:1", "--out", tmp_path, environment={"LAYOUTRT_ISA": "banana"}
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the environment variable LAYOUTRT_ISA is 'banana'")
    assert done.stderr.count("\n") == 1


def test_training_refuses_it_in_its_own_words() -> None:
    script = (
        "import torch\n"
        "from layoutrt.errors import LayoutRTError\n"
        "from layoutrt.operators.torch.backends import native\n"
        "ones = torch.ones(1, 1, 1, 1)\n"
        "try:\n"
        "    native.spatially_varying_conv(ones, ones, 1, None, None)\n"
        "except LayoutRTError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"LAYOUTRT_ISA": "banana"},
    )
    assert "LAYOUTRT_ISA is 'banana'" in done.stdout, done.stderr
