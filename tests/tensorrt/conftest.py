"""TensorRT's real Python bindings, of two versions, in a process for each that runs the tests of this folder.

The bindings come from the package registry as binary wheels; the libraries that they are linked with do not,
so stubs are compiled. What needs the libraries is answered by doubles that take their attributes, signatures
and enums from the real classes (`tests.support.tensorrt_doubles`). Each test runs once for each version.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "build" / "tensorrt-bindings"
WHEELS = {"10.3.0": "tensorrt-cu12-bindings", "11.4.0.106": "tensorrt-cu13-bindings"}
_LIBRARIES = ("nvinfer", "nvinfer_plugin", "nvonnxparser")


def _unavailable(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI must run these tests: {reason}")
    pytest.skip(reason)


def _bindings(version: str) -> Path:
    """The wheel's content, kept between runs."""
    folder = KEPT / f"{version}-python{sys.version_info.major}.{sys.version_info.minor}"
    if folder.is_dir():
        return folder
    unpacked = KEPT / f".{version}.{os.getpid()}"
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--no-deps"]
    command += ["--only-binary", ":all:", "--target", str(unpacked), f"{WHEELS[version]}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        shutil.rmtree(unpacked, ignore_errors=True)
        _unavailable(f"pip cannot get {WHEELS[version]}=={version}: {done.stderr.strip().splitlines()[-1:]}")
    # Another process may have been faster.
    with contextlib.suppress(OSError):
        unpacked.rename(folder)
    shutil.rmtree(unpacked, ignore_errors=True)
    return folder


def _compile(output: Path, *flags: str) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        _unavailable("there is no C compiler for the stub libraries")
    assert compiler is not None
    command = [compiler, "-shared", "-fPIC", "-w", *flags, f"-Wl,-soname,{output.name}"]
    subprocess.run([*command, "-o", str(output), str(HERE / "stub.c")], check=True)


class Worker:
    """The process of one version."""

    def __init__(self, version: str, stubs: Path) -> None:
        major, minor, patch = (int(part) for part in version.split(".")[:3])
        number = major * 10000 + minor * 100 + patch
        for name in _LIBRARIES:
            _compile(stubs / f"lib{name}.so.{major}", f"-D{name.upper()}", f"-DVERSION={number}")
        _compile(stubs / "libcuda.so.1", "-DCUDA")
        _compile(stubs / "liblayoutrt_trt.so", "-DOPERATORS")
        environment = os.environ | {"LD_LIBRARY_PATH": str(stubs), "COLUMNS": "200"}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), str(_bindings(version)), str(stubs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, **request: Any) -> str | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            return f"the process ended with status {self._process.wait()}; what it said is above"
        failure: str | None = json.loads(line)["failure"]
        return failure

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Worker]]:
    """Starts the process of a version once, or says once more why it cannot be."""
    started: dict[str, Worker] = {}
    unavailable: dict[str, BaseException] = {}

    def worker(version: str) -> Worker:
        if version in unavailable:
            raise unavailable[version]
        if version not in started:
            try:
                started[version] = Worker(version, tmp_path_factory.mktemp(f"stubs-{version}"))
            except BaseException as error:
                unavailable[version] = error
                raise
        return started[version]

    yield worker
    for process in started.values():
        process.close()


@pytest.fixture(params=WHEELS, autouse=True)
def tensorrt(request: pytest.FixtureRequest, tmp_path: Path, workers: Callable[[str], Worker]) -> str:
    """The version that a test runs with; the worker needs the others, whether the test names them or not."""
    version: str = request.param
    return version


@pytest.fixture
def world() -> None:
    """State of the test, made in the worker: `tests.support.tensorrt_doubles.world.World`."""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped generator in 8 bits, placed for TensorRT; batch, height and width are open."""
    from layoutrt.calib.calibrate import calibrate

    folder = tmp_path_factory.mktemp("placed")
    calibrate("camvid-edge", "drive:1", folder / "edge.trt.onnx", target="tensorrt", segmenter=None)
    return folder / "edge.trt.onnx"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Call the test in the worker of its version."""
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    arguments = {
        name: {"path of a test": str(value)} if isinstance(value, Path) else value
        for name, value in given.items()
    }
    worker = pyfuncitem.funcargs["workers"](pyfuncitem.funcargs["tensorrt"])
    failure = worker.run(
        file=str(pyfuncitem.path),
        function=pyfuncitem.originalname,
        folder=str(pyfuncitem.funcargs["tmp_path"]),
        arguments=arguments,
    )
    if failure is not None:
        pytest.fail(failure, pytrace=False)
    return True
