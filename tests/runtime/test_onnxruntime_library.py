"""Search for ONNX Runtime and the versions that are accepted, of the library and the Python package."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings as native

# Opens a model through a copy of the library; prints status, sentence and what runs it.
OPEN = """
import ctypes, sys
api = ctypes.CDLL(sys.argv[1])
api.lrt_last_error.restype = ctypes.c_char_p
class Info(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("a", ctypes.c_size_t), ("b", ctypes.c_void_p),
                ("c", ctypes.c_size_t), ("d", ctypes.c_void_p), ("backend", ctypes.c_char_p)]
session, info = ctypes.c_void_p(), Info(ctypes.sizeof(Info))
status = api.lrt_session_create(sys.argv[2].encode(), None, ctypes.byref(session))
if status == 0:
    api.lrt_session_get_info(session, ctypes.byref(info))
print(status, info.backend.decode() if status == 0 else api.lrt_last_error().decode())
"""


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with a copy of the library and nothing else in it."""
    if ctypes.util.find_library("onnxruntime"):
        pytest.skip("the system has an ONNX Runtime of its own")
    folder = tmp_path / "vendored"
    folder.mkdir()
    shutil.copy(native.operator_library(), folder / "liblayoutrt.so")
    return folder


def open_model(folder: Path, **environment: str) -> str:
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("LAYOUTRT_ONNXRUNTIME", "LD_LIBRARY_PATH")
    }
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(folder / "liblayoutrt.so"), resolve_model("camvid-edge")],
        capture_output=True,
        text=True,
        env=variables | environment,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["libonnxruntime.so.1", "libonnxruntime.so", "libonnxruntime.so.1.99.9"])
def test_it_is_found_beside_this_library_whatever_its_name(beside: Path, name: str) -> None:
    (beside / name).symlink_to(native.onnxruntime_library() or pytest.skip("no wheel of ONNX Runtime"))
    assert open_model(beside).startswith("0 ONNX Runtime ")


def test_where_there_is_none_the_sentence_says_all_ways_to_have_one(beside: Path) -> None:
    said = open_model(beside)
    assert said.startswith("2 ONNX Runtime (libonnxruntime.so.1) was not found")
    for way in ("pip install", "onnxruntime-linux-*.tgz", "beside liblayoutrt.so", "LAYOUTRT_ONNXRUNTIME"):
        assert way in said


def test_one_beside_this_library_that_cannot_be_opened_is_told(beside: Path) -> None:
    (beside / "libonnxruntime.so.1").write_text("no library")
    assert f"was not found ({beside}/libonnxruntime.so.1: " in open_model(beside)


def test_the_one_that_the_variable_names_goes_before_it(beside: Path, tmp_path: Path) -> None:
    (beside / "libonnxruntime.so.1").write_text("no library")
    library = native.onnxruntime_library() or pytest.skip("no wheel of ONNX Runtime")
    assert open_model(beside, LAYOUTRT_ONNXRUNTIME=str(library)).startswith("0 ONNX Runtime ")
    named = tmp_path / "other.so"
    assert f"could not be opened at '{named}'" in open_model(beside, LAYOUTRT_ONNXRUNTIME=str(named))


# Everything is there, and using any of it ends the program: only the version may be looked at.
STUB = """
#include <stddef.h>
static const void* table[400];
struct base { const void* (*get_api)(unsigned); const char* (*get_version)(void); };
static const void* get_api(unsigned version) { (void)version; return table; }
static const char* get_version(void) { return VERSION; }
static const struct base made = {get_api, get_version};
const struct base* OrtGetApiBase(void) { return &made; }
"""


@pytest.mark.parametrize("version", ["1.19.2", "1.19.0-dev", "1.9.1", "0.99.0"])
def test_an_older_one_is_refused_by_its_version(beside: Path, tmp_path: Path, version: str) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or pytest.skip("there is no C compiler")
    (tmp_path / "stub.c").write_text(STUB)
    command = [compiler, "-shared", "-fPIC", f'-DVERSION="{version}"', str(tmp_path / "stub.c")]
    subprocess.run([*command, "-o", str(beside / "libonnxruntime.so.1")], check=True)
    assert open_model(beside).startswith(f"2 ONNX Runtime {version} is too old, layoutrt needs 1.20 ")


def test_an_older_python_package_is_refused_by_its_version(tmp_path: Path) -> None:
    package = tmp_path / "onnxruntime"
    package.mkdir()
    (package / "__init__.py").write_text("__version__ = '1.19.2'\n")
    said = import_package(tmp_path)
    assert said == (
        "onnxruntime 1.19.2 is too old, layoutrt needs 1.20 or newer; install it with: pip install "
        "'onnxruntime>=1.20'\n"
    )


def import_package(folder: Path) -> str:
    script = (
        "from layoutrt.errors import LayoutRTError\n"
        "from layoutrt.onnxruntime_package import import_onnxruntime\n"
        "try:\n"
        "    print(import_onnxruntime().__version__)\n"
        "except LayoutRTError as error:\n"
        "    print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def official(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an official wheel of ONNX Runtime, unpacked."""

    def fetch(version: str) -> Path:
        folder = tmp_path_factory.mktemp(version)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        try:
            done = subprocess.run(
                [*command, "-d", str(folder), f"onnxruntime=={version}"],
                capture_output=True,
                text=True,
                timeout=120,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"onnxruntime {version} does not come within two minutes")
        if done.returncode != 0:
            pytest.skip(f"onnxruntime {version} cannot be had for this Python: {done.stderr[-200:]}")
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        return folder

    return fetch


def library_in(folder: Path) -> Path:
    (library,) = (folder / "onnxruntime" / "capi").glob("libonnxruntime.so*")
    return library


@pytest.mark.slow
def test_the_official_1_19_is_refused(official: Callable[[str], Path], beside: Path) -> None:
    folder = official("1.19.2")
    (beside / "libonnxruntime.so").symlink_to(library_in(folder))
    assert open_model(beside).startswith("2 ONNX Runtime 1.19.2 is too old, layoutrt needs 1.20 or newer;")
    assert import_package(folder).startswith("onnxruntime 1.19.2 is too old, layoutrt needs 1.20 or newer;")
    # As a program does that does not ask us for the package.
    script = (
        "import onnxruntime, sys\n"
        "try:\n"
        "    onnxruntime.SessionOptions().register_custom_ops_library(sys.argv[1])\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(native.operator_library())],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )
    assert "1.19.2 is too old, layoutrt's operators need 1.20 or newer" in done.stdout, done.stderr


@pytest.mark.slow
def test_the_official_1_20_is_taken(official: Callable[[str], Path], beside: Path) -> None:
    folder = official("1.20.1")
    (beside / "libonnxruntime.so").symlink_to(library_in(folder))
    assert open_model(beside).startswith("0 ONNX Runtime 1.20.1 CPU")
    assert import_package(folder) == "1.20.1\n"
