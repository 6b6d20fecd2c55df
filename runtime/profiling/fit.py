"""Makes a device file of a measured machine: its roofs, and what of them the profiled models reached."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from layoutrt.artifacts.model_info import ONNX
from layoutrt.errors import LayoutRTError
from layoutrt.graph.cost import node_costs
from layoutrt.runtime.profiling.device import Device, Efficiency
from layoutrt.runtime.profiling.estimate import PRECISIONS, estimate_layers
from layoutrt.runtime.profiling.report import ModelProfile, Profile
from layoutrt.runtime.profiling.subject import Subject

SPREAD = 1.35
"""Of devices that were measured."""
_SHARES = np.geomspace(0.1, 1.25, 26)
_BANDWIDTHS = np.geomspace(0.1, 2.0, 16)
_OVERHEADS_US = (0.0, 2.0, 4.0, 6.0, 9.0, 13.0, 20.0, 30.0)


def measured_device(profile: Profile, subjects: Sequence[Subject]) -> Device:
    """The machine of a profile as a device.

    For each precision, the share of the peak arithmetic is what makes that precision's models right;
    bandwidth and overhead are common to all, and chosen for the least squared error of the layers that
    arithmetic does not bound.

    Args:
        profile: with layers.
        subjects: what was profiled, in the same order.

    Raises:
        LayoutRTError: no model has layers.
    """
    pairs = [
        (model, subject)
        for model, subject in zip(profile.models, subjects, strict=True)
        # A device file is of this machine's processors.
        if model.layers and subject.form == ONNX
    ]
    if not pairs:
        raise LayoutRTError("a device file needs layers; profile an ONNX file with --layers")
    found = profile.roofs
    memory, overhead = _traffic(pairs, profile)
    compute: dict[str, float] = {}
    names = ", ".join(model.name for model, _ in pairs)
    processor = str(profile.machine["processor"])
    fitted_on = f"{profile.setting}: {names}, {profile.created[:10]}"
    roofs = {
        "fp32_tflops": (found.gflops / 1e3, "measured: a product of float32 matrices"),
        "fp16_tflops": (found.gflops / 1e3, "taken to be that of float32: not measured"),
        "int8_tops": (found.int8_gops / 1e3, "measured: a product of 8-bit matrices"),
        "memory_gbs": (found.cache_gbs, "measured: a copy within the caches, where small models stay"),
    }

    def device(shares: dict[str, float]) -> Device:
        values = {name: value for name, (value, _) in roofs.items()}
        sources = {name: text for name, (_, text) in roofs.items()}
        own = Efficiency(shares, memory, overhead, SPREAD, fitted_on)
        return Device(processor, "cpu", **values, source=sources, efficiency=own)

    for precision in PRECISIONS:
        of_it = [(model, subject) for model, subject in pairs if model.precision == precision]
        if not of_it:
            continue

        def error(share: float, precision: str = precision, of_it: list = of_it) -> float:
            made = device({"fp32": 1.0, precision: share})
            return sum(_log_error(model, subject, made, precision) ** 2 for model, subject in of_it)

        compute[precision] = float(min(_SHARES, key=error))
    compute.setdefault("fp32", next(iter(compute.values())))
    return device(compute)


def _log_error(model: ModelProfile, subject: Subject, device: Device, precision: str) -> float:
    graph = node_costs(onnx.load(subject.path, load_external_data=False), subject.size)
    assert model.layers is not None
    guess = sum(layer.ms for layer in estimate_layers(graph, device, precision))
    return float(np.log(guess / model.layers.engine_ms))


def _traffic(pairs: Sequence[tuple[ModelProfile, Subject]], profile: Profile) -> tuple[float, float]:
    """Share of the bandwidth, and overhead in us, of the layers without arithmetic to speak of."""
    light = [
        layer
        for model, _ in pairs
        if model.layers
        for layer in model.layers.layers
        if layer.flops / profile.roofs.compute(layer.precision) < layer.bytes / profile.roofs.cache_gbs
    ]
    if not light:
        return 0.5, 5.0
    bytes_ms = np.array([layer.bytes for layer in light]) / profile.roofs.cache_gbs / 1e6
    times = np.array([layer.ms for layer in light])
    errors = {
        (float(share), overhead): float(np.square(bytes_ms / share + overhead / 1e3 - times).sum())
        for share in _BANDWIDTHS
        for overhead in _OVERHEADS_US
    }
    return min(errors, key=lambda choice: errors[choice])
