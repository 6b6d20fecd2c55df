"""The doctor's look at the GPU: driver, CUDA, TensorRT and our plugins, and whether they fit each other."""

from __future__ import annotations

import ctypes
import importlib
from importlib import metadata
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.native import opens_engines
from layoutrt.runtime.backends.trt.cuda_driver import Gpu, find_gpu
from layoutrt.runtime.backends.trt.library import check_fit, is_recent, load_tensorrt, operator_library
from layoutrt.runtime.doctor.findings import MISSING, OK, UNFIT, Finding
from layoutrt.runtime.profiling.nvml import find_nvml

_INSTALL = (
    "only for GPUs: pip install 'layoutrt[tensorrt]', or JetPack's own (apt install python3-libnvinfer)"
)
_CUDA_MAJORS = range(11, 20)


def examine_gpu() -> list[Finding]:
    """Everything between the driver and an engine; nothing of it is required."""
    gpu, gpu_found = _gpu()
    trt, trt_found = _tensorrt()
    return [
        _driver(gpu),
        gpu_found,
        _cuda(gpu, trt),
        trt_found,
        _tensorrt_library(trt),
        _operators(trt),
        _native_engine(),
        _pycuda(gpu),
    ]


def _gpu() -> tuple[Gpu | None, Finding]:
    try:
        gpu = find_gpu()
    except LayoutRTError as error:
        found, _, remedy = str(error).partition("; ")
        return None, Finding("GPU", MISSING, found, f"only for GPUs: {remedy}")
    others = f", the first of {gpu.count}" if gpu.count > 1 else ""
    memory = f"{gpu.memory_bytes / 2**30:.1f} GiB"
    return gpu, Finding(
        "GPU", OK, f"{gpu.name}, compute capability {gpu.compute_capability}, {memory}{others}"
    )


def _driver(gpu: Gpu | None) -> Finding:
    name = "NVIDIA driver"
    try:
        nvml = find_nvml()
        return Finding(name, OK, f"{nvml.driver_version()}: {', '.join(nvml.names())}")
    except LayoutRTError as error:
        found, _, remedy = str(error).partition("; ")
        if gpu is not None:
            # Jetson's driver is part of its system, and not every version of it has NVML.
            return Finding(name, OK, f"serves CUDA {gpu.cuda} ({found})")
        return Finding(name, MISSING, found, f"only for GPUs: {remedy}")


def _cuda(gpu: Gpu | None, trt: Any) -> Finding:
    """What the driver serves, beside what the toolkit is and what TensorRT's wheel was made for."""
    toolkit = _runtime_version()
    installed = f"toolkit {toolkit}" if toolkit else "no toolkit, which only building needs"
    if gpu is None:
        return Finding(
            "CUDA", MISSING, f"no driver; {installed}", "only for GPUs: comes with NVIDIA's driver"
        )
    found = f"the driver serves {gpu.cuda}; {installed}"
    wanted = _wheel_cuda_major() if trt is not None else None
    if wanted is not None:
        found += f"; TensorRT's wheel is for CUDA {wanted}"
        if int(gpu.cuda.split(".")[0]) < wanted:
            return Finding(
                "CUDA",
                UNFIT,
                found,
                f"update the driver, or: pip install tensorrt-cu{gpu.cuda.split('.')[0]}",
            )
    return Finding("CUDA", OK, found)


def _runtime_version() -> str | None:
    for major in reversed(_CUDA_MAJORS):
        try:
            runtime = ctypes.CDLL(f"libcudart.so.{major}")
        except OSError:
            continue
        version = ctypes.c_int()
        if runtime.cudaRuntimeGetVersion(ctypes.byref(version)) == 0:
            return f"{version.value // 1000}.{version.value % 1000 // 10}"
    return None


def _wheel_cuda_major() -> int | None:
    """Of TensorRT's wheel, by its name; None for JetPack's package, which fits its own CUDA."""
    for major in reversed(_CUDA_MAJORS):
        try:
            metadata.version(f"tensorrt-cu{major}-bindings")
            return major
        except metadata.PackageNotFoundError:
            continue
    return None


def _tensorrt() -> tuple[Any, Finding]:
    try:
        trt = load_tensorrt()
    except ModuleNotFoundError:
        return None, Finding("TensorRT", MISSING, "no Python package tensorrt", _INSTALL)
    except (ImportError, OSError) as error:
        return None, Finding("TensorRT", MISSING, f"its libraries cannot be loaded: {error}", _INSTALL)
    version = str(trt.__version__)
    if not is_recent(version):
        return trt, Finding("TensorRT", UNFIT, version, "install TensorRT 10.3 or newer (JetPack 6 or newer)")
    return trt, Finding("TensorRT", OK, f"{version} (Python)")


def _tensorrt_library(trt: Any) -> Finding:
    """The C library; it must be of the package's version, because plugins and engines are."""
    name = "TensorRT library"
    if trt is None:
        return Finding(name, MISSING, "not looked for without the package", _INSTALL)
    major = trt.__version__.split(".")[0]
    try:
        number = ctypes.CDLL(f"libnvinfer.so.{major}").getInferLibVersion()
    except (OSError, AttributeError) as error:
        return Finding(name, MISSING, f"libnvinfer.so.{major} cannot be asked: {error}", _INSTALL)
    version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    if version != ".".join(trt.__version__.split(".")[:3]):
        remedy = f"install one version of both: the package is {trt.__version__}"
        return Finding(name, UNFIT, f"libnvinfer.so.{major} is {version}", remedy)
    return Finding(name, OK, f"libnvinfer.so.{major}, {version}")


def _operators(trt: Any) -> Finding:
    name = "TensorRT operators"
    try:
        library = operator_library()
    except LayoutRTError as error:
        found, _, remedy = str(error).partition("; ")
        return Finding(name, MISSING, found, f"only for GPUs: {remedy}")
    found = f"{library.path}, layoutrt {library.version}, built with TensorRT {library.tensorrt}"
    if trt is not None:
        try:
            check_fit(library, trt.__version__)
        except LayoutRTError as error:
            return Finding(name, UNFIT, found, str(error).partition("; ")[2])
    return Finding(name, OK, found)


def _native_engine() -> Finding:
    name = "native engines"
    try:
        native = opens_engines()
    except LayoutRTError as error:
        return Finding(name, MISSING, str(error), "reinstall layoutrt")
    if native:
        return Finding(name, OK, "yes, with CUDA graphs")
    return Finding(
        name,
        MISSING,
        "no: engines run through Python's tensorrt and pycuda, without CUDA graphs",
        "only for GPUs: reinstall layoutrt where TensorRT's headers and CUDA are",
    )


def _pycuda(gpu: Gpu | None) -> Finding:
    try:
        version = metadata.version("pycuda")
    except metadata.PackageNotFoundError:
        remedy = "only to run engines in Python: pip install 'layoutrt[tensorrt]' (needs CUDA's nvcc)"
        return Finding("pycuda", MISSING, "not installed", remedy)
    if gpu is None:
        return Finding("pycuda", OK, f"{version}, which needs a GPU")
    try:
        driver = importlib.import_module("pycuda.driver")
    except ImportError as error:
        remedy = "pip install --force-reinstall --no-binary pycuda pycuda"
        return Finding("pycuda", UNFIT, f"{version} cannot be loaded: {error}", remedy)
    major, minor, *_ = driver.get_version()
    found = f"{version}, built with CUDA {major}.{minor}"
    if major > int(gpu.cuda.split(".")[0]):
        remedy = "update the driver, or reinstall pycuda with an older CUDA's nvcc"
        return Finding("pycuda", UNFIT, f"{found}; the driver serves {gpu.cuda}", remedy)
    return Finding("pycuda", OK, found)
