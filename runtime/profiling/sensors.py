"""Clocks and temperatures before and after a profile, and warnings if the machine was throttled meanwhile."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layoutrt.runtime.profiling.nvml import GpuState, Nvml

_SLOWER = 0.9
"""A clock below this share of its earlier value counts as throttled."""


@dataclass(frozen=True)
class Reading:
    """Sensor values at one moment; None for those that the machine does not have."""

    cpu_mhz: float | None
    """Mean clock of the processors."""
    celsius: float | None
    """Temperature of the hottest thermal zone."""
    throttled: int | None
    """Number of times that the processors were throttled because of heat since the machine started."""
    gpu: GpuState | None

    def as_json(self) -> dict[str, Any]:
        """The reading as plain values for JSON."""
        return asdict(self)


def read_sensors(nvml: Nvml | None = None, root: Path = Path("/")) -> Reading:
    """Read Linux's own files and NVML.

    Args:
        nvml: NVML of the GPU; None without a GPU.
        root: folder that contains ``sys`` and ``proc``.
    """
    processors = root / "sys/devices/system/cpu"
    clocks = [hertz / 1e3 for hertz in _numbers(processors, "cpu[0-9]*/cpufreq/scaling_cur_freq")]
    if not clocks:
        clocks = _cpuinfo_mhz(root / "proc/cpuinfo")
    heat = [value / 1e3 for value in _numbers(root / "sys/class/thermal", "thermal_zone*/temp")]
    counts = _numbers(processors, "cpu[0-9]*/thermal_throttle/core_throttle_count")
    return Reading(
        statistics.mean(clocks) if clocks else None,
        max(heat) if heat else None,
        round(sum(counts)) if counts else None,
        nvml.state() if nvml else None,
    )


def throttle_warnings(before: Reading, after: Reading) -> list[str]:
    """Sentences on what throttled the machine between two readings."""
    found = []
    if before.throttled is not None and after.throttled is not None and after.throttled > before.throttled:
        times = after.throttled - before.throttled
        found.append(f"the processor was throttled for its heat ({times} times); cool it and profile again")
    clocks = [("processor", before.cpu_mhz, after.cpu_mhz)]
    if before.gpu and after.gpu:
        clocks.append(("GPU", before.gpu.mhz, after.gpu.mhz))
        if after.gpu.slowed:
            reasons = ", ".join(after.gpu.slowed)
            found.append(f"the GPU is throttled ({reasons}); check its cooling and power limit")
    for name, first, last in clocks:
        if first and last and last < _SLOWER * first:
            found.append(f"the {name}'s clock fell from {first:.0f} to {last:.0f} MHz during the profile")
    return found


def _numbers(folder: Path, pattern: str) -> list[float]:
    found = []
    for file in sorted(folder.glob(pattern)):
        # A listed zone may refuse to be read.
        try:
            found.append(float(file.read_text()))
        except (OSError, ValueError):
            continue
    return found


def _cpuinfo_mhz(file: Path) -> list[float]:
    if not file.is_file():
        return []
    lines = (line.partition(":") for line in file.read_text(errors="replace").splitlines())
    return [float(value) for key, _, value in lines if key.strip() == "cpu MHz"]
