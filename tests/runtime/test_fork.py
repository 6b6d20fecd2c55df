"""fork() in a process that has a session: the child is refused what is its parent's, and never waits for it.

Children that do wait are ended by an alarm, which the parent reports.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from layoutrt.errors import LayoutRTError
from layoutrt.models import resolve_model
from layoutrt.runtime.backends import native_bindings as native
from layoutrt.runtime.pipeline import Pipeline
from layoutrt.runtime.session import Session

INCLUDE = Path(__file__).resolve().parents[2] / "runtime" / "native" / "include"
PATIENCE_S = 30
DOZE_S = 1.5
"""After so long without work ONNX Runtime's threads sleep, which it waits for in another way."""

# program MODEL ONNXRUNTIME THREADS ACTION DOZE_MS
PROGRAM = r"""
#include <layoutrt/pipeline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint8_t labels[64 * 64], image[64 * 64 * 3];
static lrt_tensor in = {"labels", LRT_UINT8, 3, {1, 64, 64}, labels, sizeof labels, {0}};
static lrt_tensor out = {"image", LRT_UINT8, 4, {1, 64, 64, 3}, image, sizeof image, {0}};

static void say(const char* call, lrt_status status) {
  printf("%s: %d %s\n", call, status, status == LRT_OK ? "" : lrt_last_error());
}

static int run_all(lrt_session* session) {
  uint64_t ticket = 0;
  return lrt_session_run(session, &in, 1, &out, 1) != LRT_OK ||
         lrt_session_run_async(session, &in, 1, &out, 1, NULL, NULL, &ticket) != LRT_OK ||
         lrt_session_wait(session, ticket, -1) != LRT_OK;
}

int main(int argc, char** argv) {
  lrt_session_options options = {sizeof options, argv[2], atoi(argv[3]), NULL, 0, 0};
  lrt_pipeline_options sizes = {.struct_size = sizeof sizes, .height = 64, .width = 64};
  const char* action = argv[4];
  lrt_session *session = NULL, *second = NULL;
  lrt_pipeline* pipeline = NULL;
  const lrt_pipeline_result* result = NULL;
  int status = 0;
  if (argc != 6 || lrt_session_create(argv[1], &options, &session) != LRT_OK || run_all(session) ||
      lrt_pipeline_create(NULL, session, &sizes, &pipeline) != LRT_OK ||
      lrt_pipeline_push(pipeline, labels, 0, 0, -1) != LRT_OK ||
      lrt_pipeline_next(pipeline, &result, -1) != LRT_OK) {
    puts(lrt_last_error());
    return 1;
  }
  usleep((useconds_t)atoi(argv[5]) * 1000);
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(30);
    if (!strcmp(action, "destroy")) say("destroy", lrt_session_destroy(session));
    if (!strcmp(action, "run")) say("run", lrt_session_run(session, &in, 1, &out, 1));
    if (!strcmp(action, "wait")) say("wait", lrt_session_wait(session, 0, -1));
    if (!strcmp(action, "submit")) {
      say("submit", lrt_session_run_async(session, &in, 1, &out, 1, NULL, NULL, NULL));
    }
    if (!strcmp(action, "push")) say("push", lrt_pipeline_push(pipeline, labels, 0, 0, -1));
    if (!strcmp(action, "next")) say("next", lrt_pipeline_next(pipeline, &result, -1));
    if (!strcmp(action, "flush")) say("flush", lrt_pipeline_flush(pipeline));
    if (!strcmp(action, "end")) say("end", lrt_pipeline_destroy(pipeline));
    if (!strcmp(action, "reuse")) say("reuse", lrt_pipeline_create(NULL, session, &sizes, &pipeline));
    if (!strcmp(action, "create")) {
      say("create", lrt_session_create(argv[1], &options, &second));
      if (run_all(second)) puts("the child's own session fails");
      say("pipeline", lrt_pipeline_create(NULL, second, &sizes, &pipeline));
      say("push", lrt_pipeline_push(pipeline, labels, 0, 0, -1));
      say("next", lrt_pipeline_next(pipeline, &result, -1));
      say("end", lrt_pipeline_destroy(pipeline));
      say("destroy", lrt_session_destroy(second));
    }
    exit(0);
  }
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("the child was ended by signal %d\n", WTERMSIG(status));
  if (run_all(session) || lrt_pipeline_push(pipeline, labels, 0, 0, -1) != LRT_OK ||
      lrt_pipeline_destroy(pipeline) != LRT_OK || lrt_session_destroy(session) != LRT_OK) {
    puts(lrt_last_error());
  }
  return 0;
}
"""


@pytest.fixture(scope="module")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Runs the program; gives what its child and then it printed: ``forking(threads, action, doze_s)``."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder, library = tmp_path_factory.mktemp("fork"), native.operator_library()
    (folder / "program.c").write_text(PROGRAM)
    linked = [f"-I{INCLUDE}", str(library), f"-Wl,-rpath,{library.parent}", "-o", "program"]
    subprocess.run([compiler, "program.c", *linked], check=True, cwd=folder)

    def run(threads: int, action: str, doze_s: float = 0) -> list[str]:
        runtime = native.onnxruntime_library() or ""
        command = ["./program", resolve_model("camvid-edge"), runtime, threads, action, int(doze_s * 1e3)]
        result = subprocess.run(
            list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=2 * PATIENCE_S
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.splitlines()

    return run


SENTENCE = "is of the process that this one was forked from, which alone can use or destroy it"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "action", ["destroy", "run", "wait", "submit", "push", "next", "flush", "end", "reuse"]
)
def test_a_child_is_refused_what_is_its_parents(
    forking: Callable[..., list[str]], threads: int, action: str
) -> None:
    (line,) = forking(threads, action)
    assert line.startswith(f"{action}: 1 ")
    assert SENTENCE in line


@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_that_exits_ends(forking: Callable[..., list[str]], threads: int) -> None:
    assert forking(threads, "exit") == []


@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_has_sessions_and_pipelines_of_its_own(
    forking: Callable[..., list[str]], threads: int
) -> None:
    lines = forking(threads, "create")
    assert [line.strip() for line in lines] == [
        f"{call}: 0" for call in ("create", "pipeline", "push", "next", "end", "destroy")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("action", ["exit", "destroy", "run", "create"])
def test_it_is_so_too_when_the_threads_of_the_parent_sleep(
    forking: Callable[..., list[str]], action: str
) -> None:
    lines = forking(2, action, DOZE_S)
    assert not any("signal" in line for line in lines)


def in_child(action: Callable[[], None]) -> int:
    """Exit status of a child that calls ``action``, and leaves as a child of ``os.fork()`` should."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(PATIENCE_S)
            action()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_python_session_is_refused_in_a_child_and_goes_on_in_its_parent(threads: int) -> None:
    labels = np.zeros((1, 64, 64), np.uint8)
    session = Session(resolve_model("camvid-edge"), threads=threads)
    before = session.run(labels=labels)["image"]
    session.submit(labels=labels).result()

    def use() -> None:
        for call in (
            lambda: session.run(labels=labels),
            lambda: session.submit(labels=labels),
            lambda: session.timings,
        ):
            with pytest.raises(LayoutRTError, match="forked from"):
                call()
        session.close()
        session.__del__()

    assert in_child(use) == 0
    np.testing.assert_array_equal(session.run(labels=labels)["image"], before)
    session.close()


def test_a_lock_that_a_thread_of_the_parent_holds_stops_no_child() -> None:
    session = Session(resolve_model("camvid-edge"), threads=1)

    def use() -> None:
        with pytest.raises(LayoutRTError, match="forked from"):
            session.run(labels=np.zeros((1, 64, 64), np.uint8))
        session.close()

    with session._lock:
        assert in_child(use) == 0


def test_a_python_pipeline_is_refused_in_a_child_and_goes_on_in_its_parent() -> None:
    frame = np.zeros((64, 64), np.uint8)
    session = Session(resolve_model("camvid-edge"), threads=1)
    with Pipeline(None, session, size=(64, 64)) as pipeline:
        pipeline.push(frame)
        assert pipeline.next() is not None

        def use() -> None:
            for call in (lambda: pipeline.push(frame), pipeline.next, pipeline.flush, pipeline.stats):
                with pytest.raises(LayoutRTError, match="forked from"):
                    call()
            pipeline.close()

        assert in_child(use) == 0
        pipeline.push(frame)
        assert pipeline.next() is not None


# The whole interpreter is wound up in the child.
SCRIPT = """
import os, signal, sys
import numpy as np
from layoutrt.runtime.session import Session
labels = np.zeros((1, 64, 64), np.uint8)
session = Session(sys.argv[1], threads=int(sys.argv[2]))
session.run(labels=labels)
child = os.fork()
if child == 0:
    signal.alarm(30)
    sys.exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_python_child_that_exits_ends(threads: int) -> None:
    started = time.monotonic()
    command = [sys.executable, "-c", SCRIPT, resolve_model("camvid-edge"), threads]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=2 * PATIENCE_S)
    assert result.stdout == "0\n", f"{result.stderr} after {time.monotonic() - started:.0f} s"
