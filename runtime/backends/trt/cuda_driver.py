"""The NVIDIA driver's library ``libcuda.so.1``: which GPU there is, without a package or a context."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from layoutrt.errors import LayoutRTError

NAME = "libcuda.so.1"

# CUdevice_attribute and CUresult in cuda.h.
_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR = 75, 76
_NO_DEVICE, _OLD_DRIVER = 100, 803


@dataclass(frozen=True)
class Gpu:
    """The first GPU of this machine.

    Attributes:
        name: such as ``"Orin"``.
        compute_capability: such as ``"8.7"``.
        memory_bytes: memory of the device in bytes.
        cuda: newest CUDA version that the driver serves, such as ``"12.6"``.
        count: number of all GPUs.
    """

    name: str
    compute_capability: str
    memory_bytes: int
    cuda: str
    count: int


def find_gpu() -> Gpu:
    """Ask the driver.

    Raises:
        LayoutRTError: the machine has no driver, or the driver finds no GPU.
    """
    try:
        driver = ctypes.CDLL(NAME)
    except OSError:
        raise LayoutRTError(
            f"{NAME} is missing, so no NVIDIA driver is installed; install one, or run the .onnx "
            "file on the CPU"
        ) from None
    version, count, device = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    cuda = f"{version.value // 1000}.{version.value % 1000 // 10}"
    status = driver.cuInit(0)
    if status == _OLD_DRIVER:
        raise LayoutRTError(
            f"the NVIDIA driver (CUDA {cuda}) does not fit the kernel module that runs; restart the machine"
        )
    if status not in (0, _NO_DEVICE):
        raise LayoutRTError(
            f"the NVIDIA driver cannot be started (error {status} of cuInit); on Jetson check that the user "
            "is in the groups video and render, elsewhere see nvidia-smi, and restart"
        )
    if status == _NO_DEVICE or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value < 1:
        raise LayoutRTError(
            "the NVIDIA driver finds no GPU; check that one is plugged in, that CUDA_VISIBLE_DEVICES does "
            "not hide it, and in a container that it was started with --gpus all (--runtime nvidia on Jetson)"
        )
    driver.cuDeviceGet(ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), device)
    memory = ctypes.c_size_t()
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = []
    for attribute in (_COMPUTE_CAPABILITY_MAJOR, _COMPUTE_CAPABILITY_MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(str(value.value))
    return Gpu(name.value.decode(errors="replace"), ".".join(capability), memory.value, cuda, count.value)
