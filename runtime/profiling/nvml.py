"""State of a GPU from NVIDIA's management library (NVML), through the package nvidia-ml-py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from layoutrt.errors import LayoutRTError, require

Value = TypeVar("Value")

_SLOWED = {
    "nvmlClocksThrottleReasonSwPowerCap": "power cap",
    "nvmlClocksThrottleReasonHwSlowdown": "hardware slowdown",
    "nvmlClocksThrottleReasonSwThermalSlowdown": "temperature (software)",
    "nvmlClocksThrottleReasonHwThermalSlowdown": "temperature (hardware)",
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown": "power brake",
}
"""Bits of ``nvmlDeviceGetCurrentClocksThrottleReasons`` that mean less than full speed under load, by the
names of their constants."""


@dataclass(frozen=True)
class GpuState:
    """State of a GPU at one moment; 0 for a number that the GPU does not tell."""

    name: str
    mhz: float
    celsius: float
    slowed: tuple[str, ...]
    """Reasons why its clock is reduced."""
    used_mb: float
    """Device memory in use, by all processes."""


class Nvml:
    """The first GPU. Use `open_nvml` or `find_nvml`.

    Args:
        library: the module ``pynvml``.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        library.nvmlInit()
        self._device = library.nvmlDeviceGetHandleByIndex(0)

    def driver_version(self) -> str:
        """Version of the driver, such as ``580.82.07``."""
        return str(self._library.nvmlSystemGetDriverVersion())

    def names(self) -> list[str]:
        """Names of all GPUs."""
        library = self._library
        count = library.nvmlDeviceGetCount()
        return [
            str(library.nvmlDeviceGetName(library.nvmlDeviceGetHandleByIndex(index)))
            for index in range(count)
        ]

    def joules(self) -> float | None:
        """Energy since the driver was loaded; None if the GPU does not count it."""
        millijoules = self._ask(self._library.nvmlDeviceGetTotalEnergyConsumption)
        return None if millijoules is None else millijoules / 1e3

    def state(self) -> GpuState:
        """Clock, temperature, slowdown and memory now."""
        library = self._library
        reasons = self._ask(library.nvmlDeviceGetCurrentClocksThrottleReasons) or 0
        memory = self._ask(library.nvmlDeviceGetMemoryInfo)
        return GpuState(
            name=str(self._ask(library.nvmlDeviceGetName) or ""),
            mhz=self._ask(library.nvmlDeviceGetClockInfo, library.NVML_CLOCK_GRAPHICS) or 0,
            celsius=self._ask(library.nvmlDeviceGetTemperature, library.NVML_TEMPERATURE_GPU) or 0,
            slowed=tuple(text for bit, text in _SLOWED.items() if reasons & getattr(library, bit)),
            used_mb=memory.used / 1e6 if memory else 0.0,
        )

    def _ask(self, function: Callable[..., Value], *arguments: Any) -> Value | None:
        """Value for the GPU; None if it has none (some are not supported on some GPUs)."""
        try:
            return function(self._device, *arguments)
        except self._library.NVMLError:
            return None


def find_nvml() -> Nvml:
    """NVML of this machine.

    Raises:
        LayoutRTError: without the package, an NVIDIA driver or a GPU; says what to install.
    """
    library = require("pynvml", extra="tensorrt", purpose="a look at the GPU's clocks and power")
    try:
        return Nvml(library)
    except library.NVMLError as error:
        raise LayoutRTError(f"NVML finds no GPU ({error}); install NVIDIA's driver") from None


def open_nvml() -> Nvml | None:
    """NVML of this machine; None where `find_nvml` finds none."""
    try:
        return find_nvml()
    except LayoutRTError:
        return None
