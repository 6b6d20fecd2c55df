"""The CUDA library for the GPU at hand: the one that is installed, or one built from the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from layoutrt.errors import LayoutRTError
from layoutrt.operators.torch.backends import cuda


def prepare_library(sources: Path = Path()) -> Path:
    """Find ``liblayoutrt_cuda``, or build it in ``build/gpu`` and let ``LAYOUTRT_CUDA_LIBRARY`` name it.

    Args:
        sources: folder of the repository.

    Raises:
        LayoutRTError: it is not installed, and cannot be built.
    """
    found = cuda.library_path()
    if found is None:
        found = build_targets(sources, "layoutrt_cuda") / "runtime/native/cuda_api" / cuda.NAME
        os.environ["LAYOUTRT_CUDA_LIBRARY"] = str(found)
        cuda.library.cache_clear()
    return found


def build_targets(sources: Path, *targets: str, **options: str) -> Path:
    """Build targets of the repository for the GPU of this machine alone.

    Args:
        sources: folder of the repository.
        targets: CMake targets.
        options: further definitions of CMake.

    Returns:
        The build folder, ``build/gpu``.

    Raises:
        LayoutRTError: the sources, CMake or nvcc are not there, or something does not compile.
    """
    if not (sources / "runtime/native/cuda_api/cuda_api.cpp").is_file():
        raise LayoutRTError("the CUDA library is built from the sources; run this in the repository")
    cmake = find_program("cmake")
    if cmake is None:
        raise LayoutRTError("the CUDA library is built by cmake, which is not installed; pip install cmake")
    folder = sources / "build" / "gpu"
    definitions = {"LAYOUTRT_CUDA": "ON", "CMAKE_CUDA_ARCHITECTURES": "native", **options}
    if compiler := find_nvcc():
        definitions["CMAKE_CUDA_COMPILER"] = compiler
    settings = [f"-D{name}={value}" for name, value in definitions.items()]
    _run(cmake, "-S", str(sources), "-B", str(folder), *settings)
    _run(cmake, "--build", str(folder), "--target", *targets, "--parallel", str(os.cpu_count() or 1))
    return folder


def find_program(name: str) -> str | None:
    """A program of this environment, or one on the path."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def find_nvcc() -> str | None:
    """nvcc on the path, or where CUDA's own installer puts it."""
    return shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise LayoutRTError(f"'{' '.join(command)}' failed: {said}")
