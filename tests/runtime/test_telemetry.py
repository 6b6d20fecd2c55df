"""Nothing leaves the machine: programs that run a model open no socket and write nothing into HOME.

ONNX Runtime's official builds send telemetry from 1.32 on, unless they are told not to. Programs run in a
network namespace with nothing in it, with an empty HOME, under strace, which sees every socket.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings as native

INCLUDE = Path(__file__).resolve().parents[2] / "runtime" / "native" / "include"

# The telemetry of ONNX Runtime asks for the network within two seconds of the start.
PROGRAM = r"""
#include <layoutrt/layoutrt.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char** argv) {
  lrt_session* session = NULL;
  lrt_session_options options = {sizeof options, argv[2], 1, NULL, 1, 0};
  if (argc != 3 || lrt_session_create(argv[1], &options, &session) != LRT_OK) {
    puts(lrt_last_error());
    return 1;
  }
  usleep(2500 * 1000);
  return lrt_session_destroy(session);
}
"""

# As a Python program would that has layoutrt's operators in onnxruntime's own session.
SCRIPT = """
import sys, time
from layoutrt.onnxruntime_package import import_onnxruntime
onnxruntime = import_onnxruntime()
options = onnxruntime.SessionOptions()
options.register_custom_ops_library(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options)
time.sleep(2.5)
"""

QUIET = (
    "CI",
    "TF_BUILD",
    "GITHUB_ACTIONS",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TRAVIS",
    "CIRCLECI",
    "APPVEYOR",
)
"""Variables of continuous integration, where ONNX Runtime sends nothing by itself."""


class Observed:
    """Effects of a program: its exit status, its calls on the network, the files it left in HOME."""

    def __init__(self, code: int, output: str, calls: list[str], files: list[Path]) -> None:
        self.code, self.output, self.calls, self.files = code, output, calls, files


@pytest.fixture
def observe(tmp_path: Path) -> Callable[..., Observed]:
    """Runs a command without a network, in an empty HOME, and gives what it did there."""
    isolated = (
        ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    )
    home, trace = tmp_path / "home", tmp_path / "trace"
    home.mkdir()
    traced = [*isolated, "strace", "-f", "-qq", "-e", "trace=network", "-e", "signal=none", "-o", str(trace)]
    for tool in ("unshare", "strace"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    probe = subprocess.run([*traced, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"no program can be observed here: {probe.stderr.strip()}")

    def run(*command: object, **environment: str) -> Observed:
        variables = {
            name: value
            for name, value in os.environ.items()
            if name not in ("ORT_DISABLE_TELEMETRY", *QUIET) and not name.startswith("XDG_")
        }
        result = subprocess.run(
            [*traced, *map(str, command)],
            env=variables | {"HOME": str(home)} | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        calls = [line for line in trace.read_text().splitlines() if "(" in line]
        files = [path for path in home.rglob("*") if path.is_file()]
        return Observed(result.returncode, result.stdout + result.stderr, calls, files)

    return run


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A C program that opens a model."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "program.c").write_text(PROGRAM)
    built, library = tmp_path / "program", native.operator_library()
    subprocess.run(
        [
            compiler,
            tmp_path / "program.c",
            f"-I{INCLUDE}",
            library,
            f"-Wl,-rpath,{library.parent}",
            "-o",
            built,
        ],
        check=True,
    )
    return built


def expect_silence(seen: Observed) -> None:
    assert seen.code == 0, seen.output
    assert seen.calls == []
    assert seen.files == []


def test_a_c_program_opens_no_socket_and_leaves_no_file(
    observe: Callable[..., Observed], program: Path
) -> None:
    expect_silence(observe(program, resolve_model("camvid-edge"), native.onnxruntime_library()))


def test_the_demo_opens_no_socket_and_leaves_no_file(
    observe: Callable[..., Observed], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "layoutrt", "demo", "--frames", "4", "--out", tmp_path / "out"]
    expect_silence(observe(*command))


def test_the_package_onnxruntime_opens_no_socket_and_leaves_no_file(observe: Callable[..., Observed]) -> None:
    expect_silence(
        observe(sys.executable, "-c", SCRIPT, resolve_model("camvid-edge"), native.operator_library())
    )


def test_who_asks_for_the_telemetry_of_onnx_runtime_has_it(
    observe: Callable[..., Observed], program: Path
) -> None:
    model, library = resolve_model("camvid-edge"), native.onnxruntime_library()
    if library is None or b"ORT_DISABLE_TELEMETRY" not in library.read_bytes():
        pytest.skip("this ONNX Runtime has no telemetry")
    seen = observe(program, model, library, ORT_DISABLE_TELEMETRY="0")
    assert seen.code == 0, seen.output
    assert seen.files != []
