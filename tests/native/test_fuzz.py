"""Metadata, operator shapes and requests of every kind: refused in a sentence or computed, never a crash."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).with_name("corpus")
SANITIZERS = "address,undefined,fuzzer-no-link"


def test_random_inputs_do_no_harm(
    compiler: Callable[..., str], build: Callable[..., Path], run_program: Callable[..., str], tmp_path: Path
) -> None:
    folder = build(
        "fuzz",
        ["fuzz_model"],
        CMAKE_CXX_COMPILER=compiler("clang++", "clang++-14", flags=[f"-fsanitize={SANITIZERS}"]),
        LAYOUTRT_SANITIZE=SANITIZERS,
        LAYOUTRT_BASELINE_ONLY="ON",
    )
    corpus = shutil.copytree(CORPUS, tmp_path / "corpus")
    options = ["-runs=5000", "-seed=1", "-timeout=20", f"-artifact_prefix={tmp_path}/"]
    # The sanitizer keeps freed memory for a while, and tensors may have 64 MB each.
    options += ["-rss_limit_mb=8192", "-malloc_limit_mb=1024"]
    run_program([folder / "fuzz_model", *options, corpus])
