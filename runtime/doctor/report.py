"""All checks of ``layoutrt doctor``: the machine, the packages, the operators and the GPU."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

from layoutrt import __version__
from layoutrt.errors import LayoutRTError
from layoutrt.models import DEFAULT_GENERATOR, shipped_models
from layoutrt.runtime.backends import native_bindings as native
from layoutrt.runtime.doctor.checks import BROKEN, MISSING, OK, Check, required
from layoutrt.runtime.doctor.gpu import examine_gpu
from layoutrt.runtime.processors import usable_memory, usable_processors


def examine() -> list[Check]:
    """Check this machine and installation, and run the operators once."""
    return [
        Check("layoutrt", OK, f"{__version__}, Python {platform.python_version()}"),
        Check("processor", OK, processor()),
        Check("memory", OK, _memory()),
        *(_package(name) for name in ("numpy", "onnx", "onnxruntime", "opencv-python")),
        required("ONNX Runtime library", _onnxruntime_library, "pip install --force-reinstall onnxruntime"),
        required("operator library", _operator_library, "reinstall layoutrt (needs a C++ compiler)"),
        required(
            "operators", _operators, "reinstall layoutrt; LAYOUTRT_ISA=baseline avoids newer instructions"
        ),
        _shipped_models(),
        _package("torch", "train", "training and export"),
        *examine_gpu(),
    ]


def _package(name: str, extra: str | None = None, purpose: str = "") -> Check:
    try:
        return Check(name, OK, metadata.version(name))
    except metadata.PackageNotFoundError:
        if extra is None:
            return Check(name, BROKEN, "not installed", f"pip install {name}")
        return Check(name, MISSING, "not installed", f"for {purpose}: pip install 'layoutrt[{extra}]'")


def processor() -> str:
    """Description of the processor: name, cores for this process, instruction set of the operators."""
    try:
        simd = native.load().lrt_simd().decode() or "unknown"
    except LayoutRTError:
        simd = "unknown"
    usable = usable_processors()
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        # x86 has "model name"; ARM boards have "Model" or nothing.
        lines = (line.partition(":") for line in cpuinfo.read_text(errors="replace").splitlines())
        fields = {key.strip(): value.strip() for key, _, value in lines}
        name = fields.get("model name") or fields.get("Model") or name

    return f"{name}, {usable} cores, {simd} operators"


def _memory() -> str:
    usable = usable_memory()
    return "unknown" if usable is None else f"{usable / 2**30:.1f} GiB"


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
        from layoutrt.runtime.doctor.self_check import check_operators
    except ImportError as error:
        raise LayoutRTError(f"cannot be checked: {error}") from None
    return f"correct results on {check_operators()}"


def _shipped_models() -> Check:
    names = shipped_models()
    if DEFAULT_GENERATOR in names:
        return Check("shipped models", OK, ", ".join(names))
    return Check("shipped models", MISSING, ", ".join(names) or "none", "reinstall layoutrt")
