"""Device file of a measured machine: its peaks, and the shares of them that the profiled models reached."""

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
from layoutrt.runtime.profiling.target import Target

SPREAD = 1.35
"""Spread of the estimates for devices that were measured."""
_SHARES = np.geomspace(0.1, 1.25, 26)
_BANDWIDTHS = np.geomspace(0.1, 2.0, 16)
_OVERHEADS_US = (0.0, 2.0, 4.0, 6.0, 9.0, 13.0, 20.0, 30.0)


def measured_device(profile: Profile, targets: Sequence[Target]) -> Device:
    """The machine of a profile as a device.

    For each precision, the share of the peak arithmetic is the one at which the estimates of that precision's
    models are closest to their measured times. Bandwidth and overhead are common to all precisions, chosen
    for the least squared error of the memory-bound layers.

    Args:
        profile: a profile with layers.
        targets: the profiled models, in the same order.

    Raises:
        LayoutRTError: no model of the profile has layers.
    """
    pairs = [
        (model, target)
        for model, target in zip(profile.models, targets, strict=True)
        # A device file describes this machine's processors, not its GPU.
        if model.layers and target.form == ONNX
    ]
    if not pairs:
        raise LayoutRTError("a device file needs layers; profile an ONNX file with --layers")
    found = profile.peaks
    memory, overhead = _traffic(pairs, profile)
    compute: dict[str, float] = {}
    names = ", ".join(model.name for model, _ in pairs)
    processor = str(profile.machine["processor"])
    fitted_on = f"{profile.setting}: {names}, {profile.created[:10]}"
    peaks = {
        "fp32_tflops": (found.gflops / 1e3, "measured: a product of float32 matrices"),
        "fp16_tflops": (found.gflops / 1e3, "taken to be that of float32: not measured"),
        "int8_tops": (found.int8_gops / 1e3, "measured: a product of 8-bit matrices"),
        "memory_gbs": (found.cache_gbs, "measured: a copy within the caches, where small models stay"),
    }

    def device(shares: dict[str, float]) -> Device:
        values = {name: value for name, (value, _) in peaks.items()}
        sources = {name: text for name, (_, text) in peaks.items()}
        own = Efficiency(shares, memory, overhead, SPREAD, fitted_on)
        return Device(processor, "cpu", **values, source=sources, efficiency=own)

    for precision in PRECISIONS:
        of_it = [(model, target) for model, target in pairs if model.precision == precision]
        if not of_it:
            continue

        def error(share: float, precision: str = precision, of_it: list = of_it) -> float:
            candidate = device({"fp32": 1.0, precision: share})
            return sum(_log_error(model, target, candidate, precision) ** 2 for model, target in of_it)

        compute[precision] = float(min(_SHARES, key=error))
    compute.setdefault("fp32", next(iter(compute.values())))
    return device(compute)


def _log_error(model: ModelProfile, target: Target, device: Device, precision: str) -> float:
    graph = node_costs(onnx.load(target.path, load_external_data=False), target.size)
    assert model.layers is not None
    guess = sum(layer.ms for layer in estimate_layers(graph, device, precision))
    return float(np.log(guess / model.layers.engine_ms))


def _traffic(pairs: Sequence[tuple[ModelProfile, Target]], profile: Profile) -> tuple[float, float]:
    """Share of the bandwidth, and overhead in us, of the memory-bound layers."""
    light = [
        layer
        for model, _ in pairs
        if model.layers
        for layer in model.layers.layers
        if layer.flops / profile.peaks.compute(layer.precision) < layer.bytes / profile.peaks.cache_gbs
    ]
    if not light:
        return 0.5, 5.0
    bytes_ms = np.array([layer.bytes for layer in light]) / profile.peaks.cache_gbs / 1e6
    times = np.array([layer.ms for layer in light])
    errors = {
        (float(share), overhead): float(np.square(bytes_ms / share + overhead / 1e3 - times).sum())
        for share in _BANDWIDTHS
        for overhead in _OVERHEADS_US
    }
    return min(errors, key=lambda choice: errors[choice])
