"""Cost of a call of the C API beyond ONNX Runtime's own ``Run``, measured by a C++ program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rows import Row, less_is_better
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.native_bindings import onnxruntime_library

_LINE = re.compile(r"^(?P<way>.*?) {2,}[\d.]+ +(?P<median>[\d.]+) ", re.MULTILINE)


def overhead_rows(sources: Path = Path()) -> Iterator[Row]:
    """The program is built from the sources, in ``build/cmake``.

    Args:
        sources: folder of the repository.

    Raises:
        LayoutRTError: the sources are not there, or do not build.
    """
    if not (sources / "runtime/native/bench/c_api_overhead.cpp").is_file():
        raise LayoutRTError("the C API's benchmark is built from the sources; run it in the repository")
    build = sources / "build" / "cmake"
    cmake = Path(sys.executable).with_name("cmake")
    _run(cmake, "-S", sources, "-B", build)
    _run(cmake, "--build", build, "--target", "c_api_overhead", "-j2")
    (program,) = (
        file for file in build.rglob("c_api_overhead") if os.access(file, os.X_OK) and file.is_file()
    )
    found = {match["way"]: float(match["median"]) for match in _LINE.finditer(_run(program))}
    (bare, direct, *_) = found.values()
    name = "C API: lrt_session_run / ONNX Runtime's bare Run, 64 floats"
    yield less_is_better(name, direct, bare, "us", "ours - theirs < 50")


def _run(*command: object) -> str:
    environment = os.environ | {"LAYOUTRT_ONNXRUNTIME": str(onnxruntime_library() or "")}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise LayoutRTError(f"'{' '.join(map(str, command))}' failed: {done.stderr.strip()}")
    return done.stdout
