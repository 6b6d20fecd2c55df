"""The CUDA kernels compile for every architecture without a warning and without spilling registers.

By default for Orin and Hopper only; ``LAYOUTRT_CUDA_ARCHITECTURES=all`` for all that nvcc knows of those in
runtime/native/cuda/CMakeLists.txt. The compiler's report is kept in build/cuda-report.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "runtime" / "native" / "cuda"
SOURCES = sorted(KERNELS.glob("*.cu"))
REPORT = ROOT / "build" / "cuda-report"

REGISTERS = 65536  # of a multiprocessor, on all of the architectures

# Of ptxas -v, for one kernel.
ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for '(?P<architecture>\w+)'"
    r".*?(?P<stack>\d+) bytes stack frame"
    r", (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads"
    r".*?Used (?P<registers>\d+) registers",
    re.DOTALL,
)
TILE = re.compile(r"PixelTile<(\d+), (\d+), (\d+), \d+, \d+>")


@dataclass(frozen=True)
class Kernel:
    """Resources of a kernel, as the compiler reports them."""

    name: str
    registers: int
    spilled: int
    """Bytes of stack and of spilled registers."""

    @property
    def threads(self) -> int:
        """Number of threads of a block."""
        if tile := TILE.search(self.name):
            return 32 * int(tile[3])
        return 128 if "predict_and_apply_float" in self.name else 256

    @property
    def blocks(self) -> int:
        """That the registers of a multiprocessor are enough for; a warp takes them in units of 256."""
        of_warp = -(-self.registers * 32 // 256) * 256
        return REGISTERS // of_warp // (self.threads // 32)


def _nvcc() -> str:
    found = os.environ.get("CUDACXX") or shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")
    if found is None:
        pytest.skip("nvcc is not installed")
    return found


def _architectures() -> list[str]:
    listed = re.search(r"foreach\(architecture IN ITEMS ([\d ]+)\)", (KERNELS / "CMakeLists.txt").read_text())
    assert listed is not None
    every = listed[1].split()
    return every if os.environ.get("LAYOUTRT_CUDA_ARCHITECTURES") == "all" else ["87", "90"]


def _demangled(names: list[str]) -> list[str]:
    """Names as in the source, where the tool that knows is there."""
    tool = shutil.which("c++filt")
    if tool is None:
        return names
    text = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    text = re.sub(r"layoutrt::cuda::|\(anonymous namespace\)::", "", text)
    return re.sub(r"^void |\(\w*\)$", "", text, flags=re.MULTILINE).splitlines()


def _compile(source: Path, architecture: str, folder: Path) -> list[Kernel]:
    flags = ["-std=c++17", "-cubin", f"-arch=sm_{architecture}", "-Werror", "all-warnings", "-Xptxas", "-v"]
    command = [_nvcc(), *flags, "-I", str(KERNELS), "-o", str(folder / "kernels.cubin"), str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-8000:]
    entries = list(ENTRY.finditer(result.stdout + result.stderr))
    names = _demangled([entry["name"] for entry in entries])
    assert len(entries) == (result.stdout + result.stderr).count("Compiling entry function")
    return [
        Kernel(name, int(entry["registers"]), sum(int(entry[key]) for key in ("stack", "stores", "loads")))
        for name, entry in zip(names, entries, strict=True)
    ]


def _table(kernels: list[Kernel]) -> str:
    width = max(len(kernel.name) for kernel in kernels)
    lines = [f"{'kernel':{width}}  registers  spilled  threads  blocks"]
    for kernel in kernels:
        numbers = f"{kernel.registers:9}  {kernel.spilled:7}  {kernel.threads:7}  {kernel.blocks:6}"
        lines.append(f"{kernel.name:{width}}  {numbers}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("architecture", _architectures())
def test_kernels_compile_without_warnings_or_spills(architecture: str, tmp_path: Path) -> None:
    known = subprocess.run([_nvcc(), "--list-gpu-code"], capture_output=True, text=True, check=True).stdout
    if f"sm_{architecture}" not in known.split():
        pytest.skip(f"this nvcc does not know sm_{architecture}")
    kernels = [kernel for source in SOURCES for kernel in _compile(source, architecture, tmp_path)]
    REPORT.mkdir(parents=True, exist_ok=True)
    table = _table(kernels)
    (REPORT / f"sm_{architecture}.txt").write_text(table)
    print(f"sm_{architecture}\n{table}")
    assert len(kernels) > 20
    assert not [kernel for kernel in kernels if kernel.spilled]
    # One block's products hide another's way to memory.
    assert not [kernel for kernel in kernels if kernel.blocks < 2 and "PixelTile" in kernel.name]
