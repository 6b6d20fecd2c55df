"""Devices that a model's run time is estimated for: small TOML files with the source of each figure."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FIGURES = ("fp32_tflops", "fp16_tflops", "int8_tops", "memory_gbs")


@dataclass(frozen=True)
class Efficiency:
    """Shares of a device's peaks that the layers of a model reach."""

    compute: dict[str, float]
    """Share of the peak arithmetic that compute-bound layers reach, by precision."""
    memory: float
    """Share of the peak bandwidth that memory-bound layers reach."""
    overhead_us: float
    """Fixed time of each layer in us: a kernel launch, or waking threads."""
    spread: float
    """The true time is expected between estimate / spread and estimate * spread."""
    fitted_on: str
    """Source of the figures."""


ASSUMED = Efficiency(
    {"fp32": 0.5, "fp16": 0.35, "int8": 0.3},
    0.6,
    5.0,
    2.0,
    "no GPU was measured: shares that small convolutions usually reach on GPUs, and 5 us a launch",
)
"""Efficiency of devices whose file has no fitted figures."""


@dataclass(frozen=True)
class Device:
    """A device's published or measured peaks."""

    name: str
    kind: str
    """``gpu`` or ``cpu``."""
    fp32_tflops: float
    fp16_tflops: float
    int8_tops: float
    memory_gbs: float
    source: dict[str, str]
    """Source of each figure."""
    efficiency: Efficiency

    def peak_tflops(self, precision: str) -> float:
        """Peak arithmetic in 10^12 operations a second."""
        return {"fp32": self.fp32_tflops, "fp16": self.fp16_tflops, "int8": self.int8_tops}[precision]


def known_devices() -> list[str]:
    """Names of the devices in the package, sorted."""
    return sorted(Path(entry.name).stem for entry in _folder().iterdir() if entry.suffix == ".toml")


def find_device(text: str) -> Device:
    """A device by name, or from a file.

    Args:
        text: one of `known_devices`, or a ``.toml`` file.

    Raises:
        LayoutRTError: the device is not known, or its file lacks a figure or the source of one.
    """
    path = _folder() / f"{text}.toml" if text in known_devices() else Path(text)
    if path.suffix != ".toml":
        raise LayoutRTError(
            f"the device '{text}' is not known; choose {', '.join(known_devices())}, or give a .toml file"
        )
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text())
    except OSError as error:
        raise LayoutRTError(f"cannot read the device file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LayoutRTError(f"the device file {path} is not valid TOML ({error}); correct it") from None
    return _device(path, content)


def _device(path: Path, content: dict[str, Any]) -> Device:
    for figure in _FIGURES:
        value = content.get(figure)
        if not _is_positive(value):
            raise LayoutRTError(f"the device file {path} has no {figure}; add it, a number above 0")
        sources = content.get("source")
        if not isinstance(sources, dict) or not sources.get(figure):
            raise LayoutRTError(
                f"the device file {path} does not say where {figure} is from; add it to [source]"
            )
    efficiency = ASSUMED
    if "efficiency" in content:
        try:
            efficiency = Efficiency(**content["efficiency"])
        except TypeError:
            names = ", ".join(Efficiency.__dataclass_fields__)
            raise LayoutRTError(f"[efficiency] of the device file {path} must have just {names}") from None
        _check_efficiency(path, efficiency)
    figures = {figure: float(content[figure]) for figure in _FIGURES}
    name, kind = str(content.get("name", path.stem)), str(content.get("kind", "gpu"))
    return Device(name, kind, **figures, source=content["source"], efficiency=efficiency)


def _check_efficiency(path: Path, found: Efficiency) -> None:
    shares = found.compute if isinstance(found.compute, dict) else {}
    for requirement, met in (
        (
            "compute with fp32, and shares above 0",
            "fp32" in shares and all(map(_is_positive, shares.values())),
        ),
        ("memory above 0", _is_positive(found.memory)),
        ("overhead_us of 0 or more", found.overhead_us == 0 or _is_positive(found.overhead_us)),
        ("spread of 1 or more", _is_positive(found.spread) and found.spread >= 1),
    ):
        if not met:
            raise LayoutRTError(f"[efficiency] of the device file {path} needs {requirement}; correct it")


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and value > 0 and math.isfinite(value)


def write_device(path: str | Path, device: Device) -> None:
    """Write a device file that `find_device` reads.

    Raises:
        LayoutRTError: the file cannot be written.
    """
    text = lambda value: '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'  # noqa: E731
    lines = [f"name = {text(device.name)}", f"kind = {text(device.kind)}"]
    lines += [f"{figure} = {getattr(device, figure):.6g}" for figure in _FIGURES]
    lines += ["", "[source]", *(f"{figure} = {text(device.source[figure])}" for figure in _FIGURES)]
    own = device.efficiency
    compute = ", ".join(f"{precision} = {share:.4f}" for precision, share in own.compute.items())
    lines += [
        "",
        "[efficiency]",
        f"compute = {{ {compute} }}",
        f"memory = {own.memory:.4f}",
        f"overhead_us = {own.overhead_us:.3f}",
        f"spread = {own.spread:.3f}",
        f"fitted_on = {text(own.fitted_on)}",
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def _folder() -> Path:
    return Path(str(resources.files("layoutrt.runtime").joinpath("profiling", "devices")))
