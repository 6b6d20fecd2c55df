"""Commands of the documents that build the library run as they stand, with the tools of Ubuntu 22.04.

JetPack 6 has the same. The programs on the path are GCC 11, CMake 3.22 and what every such system has,
but not nvcc. The sources are a copy, which is kept in ``build`` with what was compiled.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from layoutrt.models import resolve_model
from layoutrt.runtime.backends.native_bindings import onnxruntime_library
from layoutrt.runtime.session import Session
from tests.support.document_commands import NATIVE, Block, native_blocks
from tests.support.toolchains import (
    AARCH64,
    CMAKE_VERSION,
    ROOT,
    find_compiler,
    find_program,
    machine_of,
    oldest_cmake,
)

pytestmark = pytest.mark.slow

SYSTEM = ["sh", "bash", "env", "make", "ninja", "git", "as", "ld", "ar", "ranlib", "nm", "strip", "objcopy"]
SYSTEM += [
    "cat",
    "cp",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "rm",
    "sed",
    "grep",
    "sort",
    "tr",
    "pkg-config",
    "touch",
    "uname",
    "nproc",
]
SOURCES = ["CMakeLists.txt", "LICENSE", "README.md", "pyproject.toml"]
SOURCES += ["calib", "examples", "export", "layoutrt", "runtime", "train"]
NOT_HERE = {
    "git clone … layoutrt && cd layoutrt": "the copy of the sources stands for it",
    "make test-gpu bench-gpu GPU_PYTHON=python3": "needs a GPU",
}
SUDO = """#!/bin/sh
# ldconfig would enter what lies in DESTDIR into the list of this machine.
[ "$1" = ldconfig ] && exec /sbin/ldconfig -n "$DESTDIR/usr/local/lib"
exec "$@"
"""
BLOCKS = native_blocks()
INSTALL = next(block for block in BLOCKS if "cmake --install build " in block.script)
OTHERS = [block for block in BLOCKS if block is not INSTALL]
# Those that fail last: the failure of one would make the next installation compile anew.
OTHERS.sort(key=lambda block: "LAYOUTRT_CUDA=ON" in block.script)


class System(NamedTuple):
    """A root that has the tools of one system, and the sources."""

    sources: Path
    home: Path
    environment: dict[str, str]

    def run(self, script: str) -> tuple[int, str]:
        """Exit status and output of commands in the folder of the sources, up to the first that fails."""
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.sources,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1200,
        )
        return done.returncode, done.stdout + done.stderr

    def succeed(self, script: str) -> str:
        status, output = self.run(script)
        assert status == 0, f"{script}\n{output[-8000:]}"
        return output


@pytest.fixture(scope="module")
def system() -> System:
    """Ubuntu 22.04, as far as a build can see."""
    folder = ROOT / "build" / "ubuntu-22.04"
    programs, sources, home = folder / "bin", folder / "layoutrt", folder / "home"
    tools = {
        "g++": find_compiler("g++-11"),
        "gcc": find_compiler("gcc-11"),
        "cc": find_compiler("gcc-11"),
        "c++": find_compiler("g++-11"),
        "cmake": str(oldest_cmake()),
    } | {name: find_program(name) for name in SYSTEM}
    if cross := shutil.which("aarch64-linux-gnu-g++-11"):
        tools["aarch64-linux-gnu-g++"] = cross
    for old in (programs, home):
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
    for name, path in tools.items():
        (programs / name).symlink_to(path)
    (programs / "sudo").write_text(SUDO)
    (programs / "sudo").chmod(0o755)

    sources.mkdir(exist_ok=True)
    for name in SOURCES:
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, sources / name)
        else:
            shutil.rmtree(sources / name, ignore_errors=True)
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))

    python = folder / "python"
    if not (python / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", python], check=True)
    environment = {
        "PATH": f"{python / 'bin'}:{programs}",
        "HOME": str(home),
        "DESTDIR": "",
        "LANG": "C.UTF-8",
        "CUDACXX": "/absent/nvcc",
        "CXXFLAGS": "-Werror",
        "CMAKE_BUILD_PARALLEL_LEVEL": "2",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    environment |= {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    environment |= {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    return System(sources, home, environment)


@pytest.fixture(scope="module")
def installed(system: System) -> System:
    """The same after the commands of the page for C and C++, with the project that it shows."""
    assert INSTALL.document == "docs/c-api.md"
    system.succeed(INSTALL.script)
    project = system.sources / "render"
    project.mkdir(exist_ok=True)
    page = (ROOT / "docs/c-api.md").read_text()
    for name, fenced in (("CMakeLists.txt", "cmake"), ("render.c", "c")):
        source = re.search(rf"^```{fenced}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        assert source
        (project / name).write_text(source[1])
    return system


def test_the_tools_are_those_of_ubuntu_22(system: System) -> None:
    assert f"cmake version {CMAKE_VERSION}" in system.succeed("cmake --version")
    assert re.search(r"\b11\.\d+\.\d+", system.succeed("g++ --version"))
    assert system.run("command -v nvcc clang++ g++-12")[0] != 0


def as_run_here(block: Block) -> str:
    """Commands of a block without those of `NOT_HERE`; of Python packages only ours is installed."""
    commands = [command for command in block.commands if command not in NOT_HERE]
    return "\n".join(
        f"{command} --no-deps" if " pip install " in f" {command}" and NATIVE.search(command) else command
        for command in commands
    )


def test_commands_that_do_not_run_here_stand_in_the_documents() -> None:
    commands = {command for block in OTHERS for command in block.commands}
    assert set(NOT_HERE) <= commands
    assert len(OTHERS) >= 9


@pytest.mark.parametrize("block", OTHERS, ids=lambda block: f"{block.document}: {block.commands[0][:40]}")
def test_commands_that_build_the_library_do_what_they_say(
    installed: System, block: Block, tmp_path: Path
) -> None:
    if "aarch64-linux-gnu-g++" in block.script:
        find_compiler("aarch64-linux-gnu-g++-11")
    if "sudo cmake --install" in block.script:
        installed.environment["DESTDIR"] = str(tmp_path)
    status, output = installed.run(as_run_here(block))
    installed.environment["DESTDIR"] = ""
    if "LAYOUTRT_CUDA=ON" in block.script:
        # All that is lacking is what the board or the GPU's machine has.
        assert status != 0
        assert "LAYOUTRT_CUDA is ON but nvcc was not found" in " ".join(output.split()), output[-4000:]
    else:
        assert status == 0, output[-8000:]
    if "sudo cmake --install" in block.script:
        assert (tmp_path / "usr/local/lib/liblayoutrt.so.2").exists()
        assert (tmp_path / "usr/local/share/doc/layoutrt/LICENSE").is_file()
    if "-o render/render" in block.script:
        assert b"\0liblayoutrt.so.2\0" in (installed.sources / "render/render").read_bytes()
    if "build-arm" in block.script:
        assert machine_of(installed.sources / "build-arm" / "liblayoutrt.so") == AARCH64


IMAGES = """
import hashlib
import numpy as np
from layoutrt.models import resolve_model
from layoutrt.runtime.session import Session

labels = np.random.default_rng(0).integers(0, 12, (1, 12, 16), np.uint8).repeat(16, 1).repeat(16, 2)
for model in ("camvid-edge", "camvid-edge-int8"):
    image = Session(resolve_model(model)).run(labels=labels)["image"]
    print(model, hashlib.sha256(image.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("isa", ["", "baseline"])
def test_gcc_11_makes_the_images_that_the_installed_library_makes(installed: System, isa: str) -> None:
    library = installed.home / "layoutrt/lib/liblayoutrt.so"
    assert re.search(rb"GCC: \([^)]*\) 11\.", library.read_bytes())
    said = []
    for named in ({}, {"LAYOUTRT_LIBRARY": str(library)}):
        variables = os.environ | named | ({"LAYOUTRT_ISA": isa} if isa else {})
        command = [sys.executable, "-c", IMAGES]
        done = subprocess.run(command, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == said[1]
    assert len(said[0].splitlines()) == 2


def test_a_program_that_found_the_package_renders_an_image(installed: System, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    (tmp_path / "frames.raw").write_bytes(frames.tobytes())
    segmenter, generator = resolve_model("camvid-seg"), resolve_model("camvid-edge")
    program = f"build-examples/camera_loop '{segmenter}' '{generator}' --stdin --size 64x96"
    runtime = os.environ.get("LAYOUTRT_ONNXRUNTIME") or onnxruntime_library()
    installed.succeed(
        f"export LAYOUTRT_ONNXRUNTIME='{runtime}'\n"
        f"{program} --out '{tmp_path}/last.ppm' < '{tmp_path}/frames.raw'"
    )
    labels = Session(segmenter).run(frame=frames[1:])["labels"]
    image = Session(generator).run(labels=labels)["image"][0]
    assert (tmp_path / "last.ppm").read_bytes()[-image.size :] == image.tobytes()


def test_the_library_needs_no_newer_glibc_and_libstdcpp_than_the_page_says(installed: System) -> None:
    if platform.libc_ver()[1] != "2.36":
        pytest.skip("what a library needs depends on the system that it is built on, which is not Debian 12")
    named = re.search(
        r"needs glibc ([\d.]+)\s+and libstdc\+\+ 12 \(`GLIBCXX_([\d.]+)`\)",
        (ROOT / "docs/c-api.md").read_text(),
    )
    assert named
    library = installed.home / "layoutrt/lib/liblayoutrt.so"
    symbols = subprocess.run([find_program("nm"), "-D", library], capture_output=True, text=True, check=True)
    for name, newest in zip(("GLIBC", "GLIBCXX"), named.groups(), strict=True):
        versions = re.findall(rf"@{name}_([\d.]+)", symbols.stdout)
        assert max(versions, key=lambda v: [int(part) for part in v.split(".")]) == newest


def test_architectures_that_need_a_newer_cmake_are_refused_in_a_sentence(
    system: System, tmp_path: Path
) -> None:
    options = "-DLAYOUTRT_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native"
    status, output = system.run(f"cmake -B '{tmp_path}' {options}")
    assert status != 0
    said = " ".join(output.split())
    assert f"CMAKE_CUDA_ARCHITECTURES=native needs CMake 3.24 and this is {CMAKE_VERSION}; give the" in said
