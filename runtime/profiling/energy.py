"""Energy counters: NVIDIA GPUs (NVML), Jetson boards (INA3221 power rails), Intel and AMD processors
(RAPL)."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

from layoutrt.runtime.profiling.nvml import Nvml

_SAMPLE_S = 0.05
_TOTAL_RAILS = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0")
"""The rail that feeds a Jetson module as a whole, by the names that its boards give it."""


class EnergyCounter(Protocol):
    """Counter of the energy that a device uses.

    Attributes:
        source: the part of the machine whose energy is counted.
    """

    source: str

    def joules(self) -> float:
        """Energy used so far, in joules, from an arbitrary start."""

    def close(self) -> None:
        """Stop counting."""


class NvmlEnergy:
    """A GPU's own energy counter, read through NVML."""

    source = "GPU (NVML)"

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml

    def joules(self) -> float:
        """See `EnergyCounter`."""
        return self._nvml.joules() or 0.0

    def close(self) -> None:
        """Nothing is held."""


class RaplEnergy:
    """Energy of the processor packages, from the kernel's powercap files (on most machines only root may read
    them).

    Args:
        zones: folders with ``energy_uj`` and ``max_energy_range_uj``, the value at which the counter wraps.
    """

    source = "processor packages (RAPL)"

    def __init__(self, zones: list[Path]) -> None:
        self._zones = zones
        self._last = [self._read(zone) for zone in zones]
        self._total_uj = 0

    def joules(self) -> float:
        """See `EnergyCounter`."""
        for index, zone in enumerate(self._zones):
            now = self._read(zone)
            step = now - self._last[index]
            if step < 0:
                step += int((zone / "max_energy_range_uj").read_text())
            self._total_uj += step
            self._last[index] = now
        return self._total_uj / 1e6

    @staticmethod
    def _read(zone: Path) -> int:
        return int((zone / "energy_uj").read_text())

    def close(self) -> None:
        """Nothing is held."""


class RailEnergy:
    """Energy of a Jetson's power rail: a thread reads its power 20 times a second and adds it up.

    Args:
        millivolt, milliampere: the rail's files of voltage and current.
        rail: name of the rail.
    """

    def __init__(self, millivolt: Path, milliampere: Path, rail: str) -> None:
        self.source = f"power rail {rail}"
        self._files = (millivolt, milliampere)
        self._joules = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="layoutrt-power", daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        last = time.monotonic()
        while not self._ended.wait(_SAMPLE_S):
            now = time.monotonic()
            volt, ampere = (int(file.read_text()) / 1e3 for file in self._files)
            self._joules += volt * ampere * (now - last)
            last = now

    def joules(self) -> float:
        """See `EnergyCounter`."""
        return self._joules

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def __enter__(self) -> RailEnergy:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def find_energy_counter(nvml: Nvml | None = None, root: Path = Path("/")) -> EnergyCounter | None:
    """The widest energy counter of this machine: a Jetson's power rail, else the GPU, else the processor.

    Args:
        nvml: NVML of the GPU; None without a GPU.
        root: folder that contains ``sys``.

    Returns:
        The counter; None if the machine has none that this process may read.
    """
    for label in sorted((root / "sys/bus/i2c/drivers/ina3221").glob("*/hwmon/hwmon*/in*_label")):
        rail = label.read_text().strip()
        number = label.name.removeprefix("in").removesuffix("_label")
        millivolt, milliampere = (label.with_name(f"{prefix}{number}_input") for prefix in ("in", "curr"))
        if rail in _TOTAL_RAILS and millivolt.is_file() and milliampere.is_file():
            return RailEnergy(millivolt, milliampere, rail)
    if nvml is not None and nvml.joules() is not None:
        return NvmlEnergy(nvml)
    zones = sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]"))
    try:
        return RaplEnergy(zones) if zones else None
    except OSError:
        return None
