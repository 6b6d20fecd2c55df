"""The video pipeline in programs of C and C++."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from layoutrt import native_library
from layoutrt.models import resolve_model
from layoutrt.runtime.backends import pipeline_bindings as native
from layoutrt.runtime.backends.native_bindings import onnxruntime_library

NATIVE = Path(__file__).resolve().parents[2] / "runtime" / "native"


@pytest.fixture(scope="module")
def compiler() -> str:
    found = shutil.which("g++") or shutil.which("c++")
    if found is None:
        pytest.skip("there is no C++ compiler")
    return found


def test_the_header_is_c99_and_ctypes_knows_its_structs(compiler: str, tmp_path: Path) -> None:
    structs = {
        "options": native.PipelineOptions,
        "result": native.NativeResult,
        "stats": native.NativeStats,
    }
    sizes = " ".join("%zu" for _ in structs)
    values = ", ".join(f"sizeof(lrt_pipeline_{name})" for name in structs)
    body = (
        "#include <layoutrt/pipeline.h>\n#include <stdio.h>\n"
        f'int main(void) {{ printf("{sizes}", {values}); }}\n'
    )
    for language, standard in (("c", "c99"), ("c++", "c++17")):
        (tmp_path / "program.c").write_text(body)
        flags = ["-x", language, f"-std={standard}", "-pedantic", "-Wall", "-Wextra", "-Werror"]
        command = [compiler, *flags, f"-I{NATIVE / 'include'}", "program.c", "-o", "program"]
        subprocess.run(command, check=True, cwd=tmp_path)
        printed = subprocess.run(
            ["./program"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        assert [int(size) for size in printed.split()] == [
            ctypes.sizeof(struct) for struct in structs.values()
        ]


ENDING = """
#include <layoutrt/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void end(void* data, const lrt_pipeline_result* result) {
  (void)data;
  if (result->sequence == 2) exit(result->status == LRT_OK ? 7 : 8);
}

static int bring(void* data, uint8_t* frame, size_t stride, int64_t* stamp) {
  (void)data, (void)frame, (void)stride, (void)stamp;
  return 1;
}

int main(int count, char** arguments) {
  lrt_session* generator = NULL;
  lrt_pipeline* pipeline = NULL;
  lrt_pipeline_options options = {sizeof options};
  options.policy = LRT_EVERY_FRAME;
  options.on_result = end;
  if (count != 2 || lrt_session_create(arguments[1], NULL, &generator) != LRT_OK ||
      lrt_pipeline_create(NULL, generator, &options, &pipeline) != LRT_OK ||
      lrt_pipeline_run(pipeline, bring, NULL) != LRT_OK) {
    puts(lrt_last_error());
    return 1;
  }
  pause();
  return 2;
}
"""


def test_a_callback_may_end_the_program(compiler: str, tmp_path: Path) -> None:
    library = native_library.operator_library()
    (tmp_path / "ending.c").write_text(ENDING)
    command = [compiler, "-x", "c", "ending.c", "-x", "none", str(library), f"-Wl,-rpath,{library.parent}"]
    subprocess.run([*command, f"-I{NATIVE / 'include'}", "-o", "ending"], check=True, cwd=tmp_path)
    runtime = onnxruntime_library()
    variables = os.environ | ({"LAYOUTRT_ONNXRUNTIME": str(runtime)} if runtime else {})
    program = ["./ending", str(resolve_model("camvid-edge"))]
    ended = subprocess.run(program, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 7, ended.stdout + ended.stderr
