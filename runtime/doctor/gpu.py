"""Checks of the GPU: driver, CUDA, TensorRT and our plugins, and whether they fit each other."""

from __future__ import annotations

import ctypes
import importlib
from importlib import metadata
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends.native import opens_engines
from layoutrt.runtime.backends.trt.cuda_driver import Gpu, find_gpu
from layoutrt.runtime.backends.trt.library import check_fit, is_recent, load_tensorrt, operator_library
from layoutrt.runtime.doctor.checks import MISSING, OK, UNFIT, Check
from layoutrt.runtime.profiling.nvml import find_nvml

_INSTALL = (
    "only for GPUs: pip install 'layoutrt[tensorrt]', or JetPack's own (apt install python3-libnvinfer)"
)
_CUDA_MAJORS = range(11, 20)


def examine_gpu() -> list[Check]:
    """Check everything between the driver and an engine; none of it is required."""
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


def _gpu() -> tuple[Gpu | None, Check]:
    try:
        gpu = find_gpu()
    except LayoutRTError as error:
        found, _, remedy = str(error).partition("; ")
        return None, Check("GPU", MISSING, found, f"only for GPUs: {remedy}")
    others = f", the first of {gpu.count}" if gpu.count > 1 else ""
    memory = f"{gpu.memory_bytes / 2**30:.1f} GiB"
    return gpu, Check("GPU", OK, f"{gpu.name}, compute capability {gpu.compute_capability}, {memory}{others}")


def _driver(gpu: Gpu | None) -> Check:
    name = "NVIDIA driver"
    try:
        nvml = find_nvml()
        return Check(name, OK, f"{nvml.driver_version()}: {', '.join(nvml.names())}")
    except LayoutRTError as error:
        found, _, remedy = str(error).partition("; ")
        if gpu is not None:
            # Jetson's driver is part of its system, and not every version of it has NVML.
            return Check(name, OK, f"serves CUDA {gpu.cuda} ({found})")
        return Check(name, MISSING, found, f"only for GPUs: {remedy}")


def _cuda(gpu: Gpu | None, trt: Any) -> Check:
    """Check the driver's CUDA version against the toolkit's and the one of TensorRT's wheel."""
    toolkit = _runtime_version()
    installed = f"toolkit {toolkit}" if toolkit else "no toolkit, which only building needs"
    if gpu is None:
        return Check("CUDA", MISSING, f"no driver; {installed}", "only for GPUs: comes with NVIDIA's driver")
    found = f"the driver supports {gpu.cuda}; {installed}"
    wanted = _wheel_cuda_major() if trt is not None else None
    if wanted is not None:
        found += f"; TensorRT's wheel is for CUDA {wanted}"
        if int(gpu.cuda.split(".")[0]) < wanted:
            return Check(
                "CUDA",
                UNFIT,
                found,
                f"update the driver, or: pip install tensorrt-cu{gpu.cuda.split('.')[0]}",
            )
    return Check("CUDA", OK, found)


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
    """CUDA version of TensorRT's wheel, by its name; None for JetPack's package, which fits its own CUDA."""
    for major in reversed(_CUDA_MAJORS):
        try:
            metadata.version(f"tensorrt-cu{major}-bindings")
            return major
        except metadata.PackageNotFoundError:
            continue
    return None


def _tensorrt() -> tuple[Any, Check]:
    try:
        trt = load_tensorrt()
    except ModuleNotFoundError:
        return None, Check("TensorRT", MISSING, "no Python package tensorrt", _INSTALL)
    except (ImportError, OSError) as error:
        return None, Check("TensorRT", MISSING, f"its libraries cannot be loaded: {error}", _INSTALL)
    version = str(trt.__version__)
    if not is_recent(version):
        return trt, Check("TensorRT", UNFIT, version, "install TensorRT 10.3 or newer (JetPack 6 or newer)")
    return trt, Check("TensorRT", OK, f"{version} (Python)")


def _tensorrt_library(trt: Any) -> Check:
    """Check TensorRT's C library: its version must be the package's, because plugins and engines need it."""
    name = "TensorRT library"
    if trt is None:
        return Check(name, MISSING, "not checked without the package", _INSTALL)
    major = trt.__version__.split(".")[0]
    try:
        number = ctypes.CDLL(f"libnvinfer.so.{major}").getInferLibVersion()
    except (OSError, AttributeError) as error:
        return Check(name, MISSING, f"libnvinfer.so.{major} cannot be loaded: {error}", _INSTALL)
    version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    if version != ".".join(trt.__version__.split(".")[:3]):
        remedy = f"install one version of both: the package is {trt.__version__}"
        return Check(name, UNFIT, f"libnvinfer.so.{major} is {version}", remedy)
    return Check(name, OK, f"libnvinfer.so.{major}, {version}")


def _operators(trt: Any) -> Check:
    name = "TensorRT operators"
    try:
        library = operator_library()
    except LayoutRTError as error:
        found, _, remedy = str(error).partition("; ")
        return Check(name, MISSING, found, f"only for GPUs: {remedy}")
    found = f"{library.path}, layoutrt {library.version}, built with TensorRT {library.tensorrt}"
    if trt is not None:
        try:
            check_fit(library, trt.__version__)
        except LayoutRTError as error:
            return Check(name, UNFIT, found, str(error).partition("; ")[2])
    return Check(name, OK, found)


def _native_engine() -> Check:
    name = "native engines"
    try:
        native = opens_engines()
    except LayoutRTError as error:
        return Check(name, MISSING, str(error), "reinstall layoutrt")
    if native:
        return Check(name, OK, "yes, with CUDA graphs")
    return Check(
        name,
        MISSING,
        "no: engines run through Python's tensorrt and pycuda, without CUDA graphs",
        "only for GPUs: reinstall layoutrt where TensorRT's headers and CUDA are",
    )


def _pycuda(gpu: Gpu | None) -> Check:
    try:
        version = metadata.version("pycuda")
    except metadata.PackageNotFoundError:
        remedy = "only to run engines in Python: pip install 'layoutrt[tensorrt]' (needs CUDA's nvcc)"
        return Check("pycuda", MISSING, "not installed", remedy)
    if gpu is None:
        return Check("pycuda", OK, f"{version}, which needs a GPU")
    try:
        driver = importlib.import_module("pycuda.driver")
    except ImportError as error:
        remedy = "pip install --force-reinstall --no-binary pycuda pycuda"
        return Check("pycuda", UNFIT, f"{version} cannot be loaded: {error}", remedy)
    major, minor, *_ = driver.get_version()
    found = f"{version}, built with CUDA {major}.{minor}"
    if major > int(gpu.cuda.split(".")[0]):
        remedy = "update the driver, or reinstall pycuda with an older CUDA's nvcc"
        return Check("pycuda", UNFIT, f"{found}; the driver supports {gpu.cuda}", remedy)
    return Check("pycuda", OK, found)
