"""The TensorRT side built against each version of its headers that TENSORRT_ROOT names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CUDA_HEADERS = [Path(os.environ.get("CUDA_PATH", "/usr/local/cuda"), "include", "cuda_runtime_api.h")]


@dataclass(frozen=True)
class Version:
    """Programs built against the headers of one version of TensorRT.

    Attributes:
        folder: of the programs and libraries.
        major: of the version.
    """

    folder: Path
    major: int

    @property
    def operator_library(self) -> Path:
        return self.folder / "liblayoutrt_trt.so"

    @property
    def nvinfer(self) -> Path:
        """The toy that stands for TensorRT's library."""
        return self.folder / f"libnvinfer.so.{self.major}"


@pytest.fixture(scope="session")
def versions(build: Callable[..., Path]) -> list[Version]:
    """One for each folder of TENSORRT_ROOT, which are separated by colons; skips where there is none."""
    roots = [root for root in os.environ.get("TENSORRT_ROOT", "").split(":") if root]
    if not roots:
        pytest.skip("TENSORRT_ROOT does not name TensorRT's headers (folders that hold include/NvInfer.h)")
    for root in roots:
        if not Path(root, "include", "NvInfer.h").is_file():
            pytest.fail(f"TENSORRT_ROOT is set, but {root}/include/NvInfer.h does not exist")
    if not any(header.is_file() for header in CUDA_HEADERS):
        pytest.skip("CUDA's headers (cuda_runtime_api.h) are not installed")
    programs = build("tensorrt", ["tensorrt_tests"], LAYOUTRT_TEST_TENSORRT=";".join(roots))
    # A folder of an earlier run may be of a version that is not named now.
    found = [_version_of(Path(root), programs) for root in roots]
    return [Version(folder, int(folder.name.split("-")[1].split(".")[0])) for folder in found]


def _version_of(root: Path, programs: Path) -> Path:
    """The folder that was built of these headers."""
    text = (root / "include" / "NvInferVersion.h").read_text()
    numbers = []
    for part in ("MAJOR", "MINOR", "PATCH"):
        lines = [line.split() for line in text.splitlines() if line.startswith("#define")]
        numbers.append(next(w[2] for w in lines if _is_number(w, f"_{part}")))
    return programs / f"tensorrt-{'.'.join(numbers)}"


def _is_number(words: list[str], part: str) -> bool:
    return len(words) > 2 and part in words[1] and words[2].isdigit() and "LWS" not in words[1]
