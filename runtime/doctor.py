"""What this machine can do, what is missing, and what to do about it."""

from __future__ import annotations

import ctypes
import importlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from layoutrt import __version__
from layoutrt.errors import LayoutRTError
from layoutrt.models import DEFAULT_GENERATOR, shipped_models
from layoutrt.runtime import library as native

OK, MISSING, BROKEN = "ok", "missing", "broken"

_STYLES = {OK: "green", MISSING: "yellow", BROKEN: "bold red"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        state: ``OK``, ``MISSING`` (something optional) or ``BROKEN`` (something that everything needs).
        found: what was found.
        remedy: what to do where it is not ok.
    """

    name: str
    state: str
    found: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Look at this machine and installation, and run the operators once."""
    return [
        Finding("layoutrt", OK, f"{__version__}, Python {platform.python_version()}"),
        Finding("processor", OK, processor()),
        Finding("memory", OK, _memory()),
        *(_package(name) for name in ("numpy", "onnx", "onnxruntime", "opencv-python")),
        _required("ONNX Runtime library", _onnxruntime_library, "pip install --force-reinstall onnxruntime"),
        _required("operator library", _operator_library, "reinstall layoutrt (needs a C++ compiler)"),
        _required(
            "operators", _operators, "reinstall layoutrt; LAYOUTRT_ISA=baseline avoids newer instructions"
        ),
        _shipped_models(),
        _package("torch", "train", "training and export"),
        _nvidia_driver(),
        _cuda(),
        _tensorrt(),
    ]


def is_sound(findings: list[Finding]) -> bool:
    """Whether everything required is there."""
    return all(finding.state != BROKEN for finding in findings)


def as_table(findings: list[Finding]) -> Table:
    """The findings as a table."""
    table = Table(box=box.SIMPLE_HEAD, title="layoutrt doctor", title_justify="left", title_style="bold")
    table.add_column("what", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("found", overflow="fold")
    table.add_column("what to do", overflow="fold")
    for finding in findings:
        style = _STYLES[finding.state]
        # As plain text: brackets would be taken for markup.
        table.add_row(finding.name, Text(finding.state, style), Text(finding.found), Text(finding.remedy))
    return table


def as_json(findings: list[Finding]) -> dict[str, Any]:
    """The findings as plain values."""
    return {"sound": is_sound(findings), "findings": [asdict(finding) for finding in findings]}


def _required(name: str, look: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(name, OK, look())
    except LayoutRTError as error:
        return Finding(name, BROKEN, str(error), remedy)


def _package(name: str, extra: str | None = None, purpose: str = "") -> Finding:
    try:
        return Finding(name, OK, metadata.version(name))
    except metadata.PackageNotFoundError:
        if extra is None:
            return Finding(name, BROKEN, "not installed", f"pip install {name}")
        return Finding(name, MISSING, "not installed", f"for {purpose}: pip install 'layoutrt[{extra}]'")


def processor() -> str:
    """The machine's processor, how many cores this process may use, and the operators' instruction set."""
    try:
        simd = native.load().lrt_simd().decode()
    except LayoutRTError:
        simd = "unknown"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        # x86 has "model name"; ARM boards have "Model" or nothing.
        lines = (line.partition(":") for line in cpuinfo.read_text(errors="replace").splitlines())
        fields = {key.strip(): value.strip() for key, _, value in lines}
        name = fields.get("model name") or fields.get("Model") or name
    return f"{name}, {usable} cores, {simd} operators"


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return "unknown"
    return f"{total / 2**30:.1f} GiB"


def _onnxruntime_library() -> str:
    path = native.onnxruntime_library()
    if path:
        return str(path)
    named = os.environ.get("LAYOUTRT_ONNXRUNTIME")
    if named and not Path(named).is_file():
        raise LayoutRTError(f"{named}, which LAYOUTRT_ONNXRUNTIME names, does not exist")
    if not named:
        raise LayoutRTError("not in the onnxruntime package")
    return f"{named} (LAYOUTRT_ONNXRUNTIME)"


def _operator_library() -> str:
    return f"{native.operator_library()}, version {native.load().lrt_version().decode()}"


def _operators() -> str:
    try:
        from layoutrt.runtime.self_check import check_operators
    except ImportError as error:
        raise LayoutRTError(f"cannot be checked: {error}") from None
    return f"right on {check_operators()}"


def _shipped_models() -> Finding:
    names = shipped_models()
    if DEFAULT_GENERATOR in names:
        return Finding("shipped models", OK, ", ".join(names))
    return Finding("shipped models", MISSING, ", ".join(names) or "none", "reinstall layoutrt")


def _nvidia_driver() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding("NVIDIA driver", MISSING, "no nvidia-smi", "only for GPUs: install NVIDIA's driver")
    query = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("NVIDIA driver", MISSING, f"nvidia-smi fails: {error}", "repair NVIDIA's driver")
    return Finding("NVIDIA driver", OK, "; ".join(answer.splitlines()))


def _cuda() -> Finding:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Finding("CUDA", MISSING, "no libcuda.so.1", "only for GPUs: comes with NVIDIA's driver")
    version, count = ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value < 1:
        return Finding("CUDA", MISSING, "libcuda.so.1 finds no GPU", "check the GPU and its permissions")
    release = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Finding("CUDA", OK, f"CUDA {release}, {count.value} GPU")


def _tensorrt() -> Finding:
    remedy = "only for GPUs: pip install 'layoutrt[tensorrt]', or JetPack's own"
    try:
        tensorrt = importlib.import_module("tensorrt")
    except ModuleNotFoundError:
        return Finding("TensorRT", MISSING, "no Python package tensorrt", remedy)
    except (ImportError, OSError) as error:
        return Finding("TensorRT", MISSING, f"its libraries cannot be loaded: {error}", remedy)
    return Finding("TensorRT", OK, str(tensorrt.__version__))
