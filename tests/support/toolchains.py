"""Compilers and the oldest CMake, for tests of how the library is built from its sources."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
CMAKE_VERSION = "3.22.1"
"""Version of CMake in Ubuntu 22.04 and JetPack 6; CMakeLists.txt asks for no newer one."""

X86_64, AARCH64 = 62, 183  # in e_machine of an ELF file

PACKAGES = {
    "g++-11": "g++-11",
    "gcc-11": "g++-11",
    "clang++-14": "clang-14",
    "aarch64-linux-gnu-g++-11": "g++-11-aarch64-linux-gnu",
    "g++-12": "g++-12",
}
"""Debian's package of each compiler."""


def missing(what: str, package: str | None = None) -> NoReturn:
    """Skip, but fail in continuous integration where ``.ci/run`` should have installed the package."""
    installed = re.search(r"^tools=\((.*)\)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert installed
    if os.environ.get("CI") and (package is None or package in installed[1].split()):
        pytest.fail(what)
    pytest.skip(what)


def find_compiler(name: str) -> str:
    """The path of a compiler of `PACKAGES`."""
    found = shutil.which(name)
    return found or missing(f"{name} is not installed", PACKAGES[name])


def find_program(name: str) -> str:
    """A program of this environment, or one on the path."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    return beside or shutil.which(name) or missing(f"{name} is not installed", name)


def oldest_cmake() -> Path:
    """The program of `CMAKE_VERSION`, from its wheel, which is kept in ``build/tools``."""
    folder = ROOT / "build" / "tools" / f"cmake-{CMAKE_VERSION}"
    program = folder / "cmake/data/bin/cmake"
    if not program.is_file():
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        command += ["--only-binary", ":all:", "--target", str(folder), f"cmake=={CMAKE_VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            missing(f"CMake {CMAKE_VERSION} cannot be installed: {done.stderr[-300:]}")
    return program


def machine_of(library: Path) -> int:
    """The processor that a library is for."""
    return struct.unpack_from("<H", library.read_bytes(), 18)[0]
