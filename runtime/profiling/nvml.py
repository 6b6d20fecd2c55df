"""State of a GPU from NVIDIA's management library (NVML), through ctypes."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

_LIBRARY = "libnvidia-ml.so.1"
_GRAPHICS_CLOCK, _CORE_TEMPERATURE = 0, 0
_SLOWED = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "temperature (software)",
    0x40: "temperature (hardware)",
    0x80: "power brake",
}
"""Bits of ``nvmlDeviceGetCurrentClocksThrottleReasons`` that mean less than full speed under load
(nvml.h)."""


@dataclass(frozen=True)
class GpuState:
    """State of a GPU at one moment."""

    name: str
    mhz: float
    celsius: float
    slowed: tuple[str, ...]
    """Reasons why its clock is reduced."""
    used_mb: float
    """Device memory in use, by all processes."""


class Nvml:
    """The first GPU. Use `open_nvml`.

    Args:
        library: the loaded NVML.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._device = ctypes.c_void_p()
        if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self._device)):
            raise OSError("NVML finds no GPU")

    def joules(self) -> float | None:
        """Energy since the driver was loaded; None if the GPU does not count it."""
        millijoules = ctypes.c_ulonglong()
        failed = self._library.nvmlDeviceGetTotalEnergyConsumption(self._device, ctypes.byref(millijoules))
        return None if failed else millijoules.value / 1e3

    def state(self) -> GpuState:
        """Clock, temperature, slowdown and memory now."""
        name = ctypes.create_string_buffer(96)
        clock, heat, reasons = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_ulonglong()
        memory = (ctypes.c_ulonglong * 3)()
        library, device = self._library, self._device
        library.nvmlDeviceGetName(device, name, 96)
        library.nvmlDeviceGetClockInfo(device, _GRAPHICS_CLOCK, ctypes.byref(clock))
        library.nvmlDeviceGetTemperature(device, _CORE_TEMPERATURE, ctypes.byref(heat))
        library.nvmlDeviceGetCurrentClocksThrottleReasons(device, ctypes.byref(reasons))
        library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory))
        slowed = tuple(text for bit, text in _SLOWED.items() if reasons.value & bit)
        return GpuState(name.value.decode(), clock.value, heat.value, slowed, memory[2] / 1e6)


def open_nvml() -> Nvml | None:
    """NVML of this machine; None without an NVIDIA GPU. ``LAYOUTRT_NVML`` names another library."""
    try:
        return Nvml(ctypes.CDLL(os.environ.get("LAYOUTRT_NVML", _LIBRARY)))
    except (OSError, AttributeError):
        return None
