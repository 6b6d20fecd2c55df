"""CMake before anything is compiled: compilers, processors, installed folders, a parent project."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.toolchains import ROOT, find_compiler, find_program


def configure(source: Path, folder: Path, *options: str, **environment: str) -> tuple[int, str]:
    """Exit status and output, the latter on one line."""
    command = [find_program("cmake"), "-S", str(source), "-B", str(folder), *options]
    variables = {key: value for key, value in os.environ.items() if key not in ("CXX", "CXXFLAGS")}
    done = subprocess.run(command, env=variables | environment, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def compiler_that_says(tmp_path: Path, compiler: str, *flags: str) -> str:
    """A compiler with other predefined macros."""
    program = tmp_path / "other-compiler"
    program.write_text(f'#!/bin/sh\nexec {compiler} {" ".join(flags)} "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("name", "macro", "value", "found"),
    [("g++-11", "__GNUC__", 10, "GNU 10."), ("clang++-14", "__clang_major__", 13, "Clang 13.")],
)
def test_a_compiler_that_is_too_old_is_named_with_what_is_needed(
    tmp_path: Path, name: str, macro: str, value: int, found: str
) -> None:
    compiler = compiler_that_says(tmp_path, find_compiler(name), f"-U{macro}", f"-D{macro}={value}")
    status, output = configure(ROOT, tmp_path / "build", CXX=compiler)
    assert status != 0
    assert f"layoutrt needs GCC 11 or clang 14, or newer, and this is {found}" in output
    assert f"({compiler}); name another one" in output


def test_another_system_than_linux_is_refused(tmp_path: Path) -> None:
    status, output = configure(ROOT, tmp_path, "-DCMAKE_SYSTEM_NAME=Generic")
    assert status != 0
    assert "layoutrt is for Linux, and this builds for Generic" in output


def test_a_cross_compiler_in_cxx_alone_gets_the_flags_of_its_processor(tmp_path: Path) -> None:
    compiler = find_compiler("aarch64-linux-gnu-g++-11")
    status, output = configure(ROOT, tmp_path, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", CXX=compiler)
    assert status == 0, output
    commands = (tmp_path / "compile_commands.json").read_text()
    assert "-mavx" not in commands
    assert "-DLRT_ISA=dotprod" in commands


PARENT = """
cmake_minimum_required(VERSION 3.22)
project(parent LANGUAGES CXX)
add_subdirectory({root} layoutrt)
add_executable(program program.cpp)
target_link_libraries(program PRIVATE layoutrt::layoutrt)
"""


def test_a_parent_project_links_with_the_name_of_the_installed_package(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(PARENT.format(root=ROOT))
    (tmp_path / "program.cpp").write_text("int main() {}\n")
    status, output = configure(tmp_path, tmp_path / "build")
    assert status == 0, output
    command = [find_program("cmake"), "--build", str(tmp_path / "build"), "--target", "help"]
    targets = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "layoutrt" in targets
    assert "c_api_overhead" not in targets


@pytest.mark.parametrize(
    ("options", "prefix", "libdir"),
    [
        ((), "${pcfiledir}/../..", "${prefix}/lib"),
        (("-DCMAKE_INSTALL_LIBDIR=/opt/it/lib",), "/usr/local", "/opt/it/lib"),
    ],
    ids=["relative", "absolute"],
)
def test_pkg_config_is_told_the_folder_of_the_library(
    tmp_path: Path, options: tuple[str, ...], prefix: str, libdir: str
) -> None:
    status, output = configure(ROOT, tmp_path, "-DCMAKE_INSTALL_PREFIX=/usr/local", *options)
    assert status == 0, output
    lines = (tmp_path / "layoutrt.pc").read_text().splitlines()
    assert lines[:3] == [f"prefix={prefix}", f"libdir={libdir}", "includedir=${prefix}/include"]


def test_the_cpp_header_asks_for_cpp_17(tmp_path: Path) -> None:
    compiler = shutil.which("c++") or pytest.skip("c++ is not installed")
    program = tmp_path / "program.cpp"
    program.write_text("#include <layoutrt/layoutrt.hpp>\n")
    include = f"-I{ROOT / 'runtime/native/include'}"
    command = [compiler, include, "-fsyntax-only", str(program)]
    assert subprocess.run([*command, "-std=c++17"]).returncode == 0
    done = subprocess.run([*command, "-std=c++14"], capture_output=True, text=True)
    assert done.returncode != 0
    assert "layoutrt.hpp needs C++17" in done.stderr
