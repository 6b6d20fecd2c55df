"""Builds of the native tests: the library's own sources with a sanitizer, a fuzzer or another processor."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from layoutrt.runtime.backends.native_bindings import onnxruntime_library

ROOT = Path(__file__).resolve().parents[2]
PROBE = "#include <thread>\nint main() { std::thread([] {}).join(); }\n"


def _find(*names: str) -> str | None:
    """The first of the programs that is there; the environment's own come first."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return next((found for name in names if (found := shutil.which(name, path=places))), None)


@pytest.fixture
def compiler(tmp_path: Path) -> Callable[..., str]:
    """A compiler whose programs start, or a skip: ``compiler("clang++", flags=["-fsanitize=thread"])``."""

    def find(*names: str, flags: list[str], emulator: list[str] | None = None) -> str:
        found = _find(*names)
        if found is None:
            pytest.skip(f"{' or '.join(names)} is not installed")
        (tmp_path / "probe.cpp").write_text(PROBE)
        command = [found, *flags, "-pthread", "probe.cpp", "-o", "probe"]
        for step in (command, [*(emulator or []), tmp_path / "probe"]):
            try:
                result = subprocess.run(step, cwd=tmp_path, capture_output=True, text=True)
            except FileNotFoundError:
                pytest.skip(f"{step[0]} is not installed")
            if result.returncode:
                pytest.skip(f"{found} {' '.join(flags)} does not work here: {result.stderr[-300:]}")
        return found

    return find


@pytest.fixture(scope="session")
def build() -> Callable[..., Path]:
    """Builds targets, incrementally; gives the folder of the programs: ``build("thread", ["test_api"])``.

    Of two that ask for the same folder, in whatever process, one waits for the other.
    """
    done: set[str] = set()

    def run(name: str, targets: list[str], **options: str) -> Path:
        cmake, ninja = _find("cmake"), _find("ninja")
        if cmake is None or ninja is None:
            pytest.skip("cmake or ninja is not installed")
        folder = ROOT / "build" / "native-tests" / name
        asked = repr((name, targets, options))
        if asked in done:
            return folder / "tests" / "native"
        settings = {"LAYOUTRT_TESTS": "ON", "CMAKE_MAKE_PROGRAM": ninja, **options}
        definitions = [f"-D{key}={value}" for key, value in settings.items()]
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for command in (
                [cmake, "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *definitions],
                [cmake, "--build", str(folder), "--target", *targets],
            ):
                result = subprocess.run(command, capture_output=True, text=True)
                assert result.returncode == 0, (result.stdout + result.stderr)[-8000:]
        done.add(asked)
        return folder / "tests" / "native"

    return run


@pytest.fixture(scope="session")
def run_program() -> Callable[..., str]:
    """Runs a program, which must exit with 0; gives what it printed: ``run([path], VARIABLE="value")``."""

    def run(command: list[object], **environment: str) -> str:
        library = onnxruntime_library()
        variables = os.environ | ({"LAYOUTRT_ONNXRUNTIME": str(library)} if library else {}) | environment
        result = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, env=variables, timeout=1200
        )
        assert result.returncode == 0, (result.stdout + result.stderr)[-8000:]
        return result.stdout

    return run
