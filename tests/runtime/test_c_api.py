"""The C API as a C program sees it, and the slots of ONNX Runtime's ABI that it stands on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from layoutrt.runtime.backends import native_bindings

NATIVE = Path(__file__).resolve().parents[2] / "runtime" / "native"
INCLUDE = NATIVE / "include"

PROGRAM = r"""
#include <layoutrt/layoutrt.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

static void expect(int line, lrt_status got, lrt_status want, const char* sentence) {
  if (got != want || (sentence && !strstr(lrt_last_error(), sentence))) {
    printf("line %d: status %d, expected %d '%s', error '%s'\n", line, got, want, sentence ? sentence : "",
           lrt_last_error());
    ++failures;
  }
}
#define EXPECT(got, want, sentence) expect(__LINE__, got, want, sentence)

int main(int argc, char** argv) {
  const char* model = argv[1];
  lrt_session_options options = {sizeof options, argc > 2 ? argv[2] : NULL, 1, NULL, 0, 0};
  lrt_session_options unsized = {.struct_size = 0};
  lrt_session_options negative = {.struct_size = sizeof negative, .threads = -1};
  lrt_session* session = (lrt_session*)&options;
  lrt_session_info info = {.struct_size = sizeof info};
  lrt_timings timings = {.struct_size = sizeof timings};
  const char* text = NULL;
  size_t count = 0;
  float a[6] = {1, 2, 3, 4, 5, 6}, y[6] = {0};

  EXPECT(lrt_session_create(NULL, &options, &session), LRT_INVALID_ARGUMENT, "model_path is NULL");
  if (session != NULL) { puts("session is not NULL after a failure"); ++failures; }
  EXPECT(lrt_session_create(model, &options, NULL), LRT_INVALID_ARGUMENT, "session is NULL");
  EXPECT(lrt_session_create(model, &unsized, &session), LRT_INVALID_ARGUMENT, "struct_size");
  EXPECT(lrt_session_create(model, &negative, &session), LRT_INVALID_ARGUMENT, "threads");
  EXPECT(lrt_session_create("absent.onnx", &options, &session), LRT_NOT_FOUND, "absent.onnx");
  EXPECT(lrt_session_create_from_memory(NULL, 3, &options, &session), LRT_INVALID_ARGUMENT, "data is NULL");
  EXPECT(lrt_session_create_from_memory("not a model", 11, &options, &session), LRT_INVALID_MODEL,
         "the model in memory");
  EXPECT(lrt_session_run(NULL, NULL, 0, NULL, 0), LRT_INVALID_ARGUMENT, "session is NULL");
  EXPECT(lrt_session_get_info(NULL, &info), LRT_INVALID_ARGUMENT, "session is NULL");
  EXPECT(lrt_session_timings(NULL, &timings), LRT_INVALID_ARGUMENT, "session is NULL");
  lrt_session_destroy(NULL);

  EXPECT(lrt_session_create(model, &options, &session), LRT_OK, NULL);
  if (session == NULL) return 1;
  EXPECT(lrt_session_get_info(session, NULL), LRT_INVALID_ARGUMENT, "info is NULL");
  EXPECT(lrt_session_get_info(session, &info), LRT_OK, NULL);
  if (info.input_count != 1 || info.output_count != 1 || strcmp(info.inputs[0].name, "a") ||
      info.inputs[0].dtype != LRT_FLOAT32 || info.inputs[0].rank != 2 || info.inputs[0].dims[0] != -1 ||
      info.inputs[0].dims[1] != 3 || !strstr(info.backend, "ONNX Runtime")) {
    puts("the model is described wrongly");
    ++failures;
  }
  EXPECT(lrt_session_metadata_count(session, &count), LRT_OK, NULL);
  if (count != 1) ++failures;
  EXPECT(lrt_session_metadata_key(session, 0, &text), LRT_OK, NULL);
  if (strcmp(text, "maker")) ++failures;
  EXPECT(lrt_session_metadata_key(session, 1, &text), LRT_NOT_FOUND, "counted from 0; got 1");
  EXPECT(lrt_session_metadata(session, "maker", &text), LRT_OK, NULL);
  if (strcmp(text, "test")) ++failures;
  EXPECT(lrt_session_metadata(session, "none", &text), LRT_NOT_FOUND, "none");

  lrt_tensor in = {"a", LRT_FLOAT32, 2, {2, 3}, a, sizeof a, {0}}, bad;
  lrt_tensor out = {"y", LRT_FLOAT32, 2, {2, 3}, y, sizeof y, {0}};
  lrt_tensor twice[2] = {in, in};
  EXPECT(lrt_session_run(session, NULL, 1, &out, 1), LRT_INVALID_ARGUMENT, "inputs is NULL");
  EXPECT(lrt_session_run(session, &in, 1, NULL, 1), LRT_INVALID_ARGUMENT, "no output");
  EXPECT(lrt_session_run(session, &in, 1, &out, 0), LRT_INVALID_ARGUMENT, "no output");
  EXPECT(lrt_session_run(session, &in, 0, &out, 1), LRT_INVALID_ARGUMENT, "input 'a' is missing");
  EXPECT(lrt_session_run(session, twice, 2, &out, 1), LRT_INVALID_ARGUMENT, "given twice");
  bad = in; bad.name = NULL;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "no name");
  bad = in; bad.name = "b";
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "no input 'b'; it has 'a'");
  bad = in; bad.data = NULL;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "has no data");
  bad = in; bad.dtype = LRT_UINT8;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT,
         "input 'a' must be float32 [?, 3], got uint8 [2, 3]");
  bad = in; bad.dtype = (lrt_dtype)99;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "got undefined");
  bad = in; bad.rank = 99;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "rank");
  bad = in; bad.rank = -1;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "rank");
  bad = in; bad.dims[0] = -2;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "must be float32");
  bad = in; bad.dims[0] = INT64_MAX;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "too large");
  bad = in; bad.size_bytes = 23;
  EXPECT(lrt_session_run(session, &bad, 1, &out, 1), LRT_INVALID_ARGUMENT, "24 bytes, got a buffer of 23");
  bad = out; bad.dims[0] = 1; bad.size_bytes = 12;
  EXPECT(lrt_session_run(session, &in, 1, &bad, 1), LRT_INVALID_ARGUMENT, NULL);
  bad = out; bad.name = "z";
  EXPECT(lrt_session_run(session, &in, 1, &bad, 1), LRT_INVALID_ARGUMENT, "no output 'z'");

  EXPECT(lrt_session_run_device(NULL, &in, 1, &out, 1, NULL), LRT_INVALID_ARGUMENT, "session is NULL");
  EXPECT(lrt_session_run_device(session, &in, 0, &out, 1, NULL), LRT_INVALID_ARGUMENT, "'a' is missing");
  bad = out; bad.data = NULL;
  EXPECT(lrt_session_run_device(session, &in, 1, &bad, 1, NULL), LRT_INVALID_ARGUMENT, "has no data");
  bad = in; bad.strides[0] = 16; bad.strides[1] = 4; bad.size_bytes = 28;
  EXPECT(lrt_session_run_device(session, &bad, 1, &out, 1, NULL), LRT_INVALID_ARGUMENT, "has strides");
  EXPECT(lrt_session_run_device(session, &in, 1, &out, 1, NULL), LRT_INVALID_ARGUMENT,
         "the model runs on the CPU, which takes no device memory; build a TensorRT engine");

  EXPECT(lrt_session_run(session, &in, 1, &out, 1), LRT_OK, NULL);
  if (y[0] != -1 || y[5] != -6) { puts("the caller's buffer is wrong"); ++failures; }
  memset(&out, 0, sizeof out);
  out.name = "y";
  EXPECT(lrt_session_run(session, &in, 1, &out, 1), LRT_OK, NULL);
  if (out.dtype != LRT_FLOAT32 || out.rank != 2 || out.dims[0] != 2 || out.dims[1] != 3 ||
      out.size_bytes != 24 || ((float*)out.data)[5] != -6) {
    puts("the session's buffer is wrong");
    ++failures;
  }
  EXPECT(lrt_session_timings(session, &timings), LRT_OK, NULL);
  if (timings.runs != 2 || timings.last.total_ms < timings.last.engine_ms) ++failures;
  lrt_session_destroy(session);
  printf("%s %s %d failures\n", lrt_version(), lrt_simd(), failures);
  return failures != 0;
}
"""


@pytest.fixture(scope="module")
def compiler() -> str:
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        pytest.skip("there is no C compiler")
    return found


def test_the_header_is_c99(compiler: str, tmp_path: Path) -> None:
    source = tmp_path / "header.c"
    source.write_text("#include <layoutrt/layoutrt.h>\nint main(void) { return 0; }\n")
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
    subprocess.run([compiler, *flags, f"-I{INCLUDE}", str(source)], check=True)


def test_a_c_program_runs_a_model_and_is_told_its_mistakes(compiler: str, tmp_path: Path) -> None:
    runtime = native_bindings.onnxruntime_library()
    assert runtime is not None
    graph = helper.make_graph(
        [helper.make_node("Neg", ["a"], ["y"])],
        "negative",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"maker": "test"})
    onnx.save(model, tmp_path / "m.onnx")
    (tmp_path / "program.c").write_text(PROGRAM)
    native = native_bindings.operator_library()
    subprocess.run(
        [
            *(
                compiler,
                "-std=c99",
                "-Wall",
                "-Wextra",
                "-Werror",
                f"-I{INCLUDE}",
                "program.c",
                "-o",
                "program",
            ),
            *(str(native), f"-Wl,-rpath,{native.parent}"),
        ],
        check=True,
        cwd=tmp_path,
    )
    result = subprocess.run(
        ["./program", "m.onnx", str(runtime)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith(" 0 failures\n")


def test_only_the_public_functions_and_those_of_training_are_exported() -> None:
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(native_bindings.operator_library())],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    exported = {line.split()[-1] for line in listing.splitlines()}
    headers = [*(INCLUDE / "layoutrt").glob("*.h"), NATIVE / "training" / "training.h"]
    declared = {
        name
        for header in headers
        for name in re.findall(r"\b(lrt_\w+)\(", header.read_text().split('extern "C"')[1])
    }
    assert exported == declared | {"RegisterCustomOps"}


def test_the_slots_are_those_of_the_official_header() -> None:
    header = os.environ.get("LAYOUTRT_ORT_HEADER")
    if not header:
        pytest.skip("LAYOUTRT_ORT_HEADER does not name an onnxruntime_c_api.h")
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", Path(header).read_text(), flags=re.DOTALL)
    api = text.split("struct OrtApi {")[1].split("\n};")[0]
    members = re.findall(
        r"ORT_API2_STATUS\(\s*(\w+)|ORT_CLASS_(RELEASE)\(\s*(\w+)|\(\s*(?:ORT_API_CALL\s*)?\*\s*(\w+)\)\s*\(",
        api,
    )
    official = [
        call or (f"Release{released}" if kind else pointer) for call, kind, released, pointer in members
    ]
    ours = re.findall(r"X\((\d+),\s*[\w*]+,\s*(\w+)", (NATIVE / "onnxruntime" / "abi.h").read_text())
    assert len(ours) > 50
    for slot, name in ours:
        assert official[int(slot)] == name
