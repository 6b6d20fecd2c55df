"""`PredictedConv` on a GPU, for every conditional convolution of the paper's generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gpu_ceilings import Ceilings
from benchmarks.gpu_clock import Clock, Run, draw
from benchmarks.rows import Row, less_is_better, more_is_better
from layoutrt.operators.torch.backends import cuda, triton
from layoutrt.train.networks.generator import stages
from layoutrt.train.networks.generator_config import GeneratorConfig


@dataclass(frozen=True)
class Layer:
    """One conditional convolution."""

    channels: int
    features: int
    p: int
    side: int

    @property
    def operations(self) -> int:
        """Multiplications and additions of the predictor."""
        return 2 * 9 * self.channels * self.features * self.p**2 * self.side**2

    def __str__(self) -> str:
        return f"C={self.channels} J={self.features} p={self.p} {self.side}x{self.side}"


def layers(config: GeneratorConfig) -> list[Layer]:
    """The different ones of a generator, in order."""
    side = config.image_height // config.size_multiple
    found: dict[Layer, None] = {}
    for stage in stages(config.pyramid_levels):
        side *= 2 if stage.upsample else 1
        for multiple in (stage.in_multiple, min(stage.in_multiple, stage.out_multiple)):
            found[Layer(multiple * config.width, config.hidden, config.predictor_kernel, side)] = None
    return list(found)


def predicted_conv_rows(
    device: torch.device, clock: Clock, ceilings: Ceilings, config: GeneratorConfig
) -> Iterator[Row]:
    """Beside a convolution of cuDNN and then `SpatiallyVaryingConv`, and over the tensor cores' ceiling.

    The faster order of the features is taken on both sides, and the faster kernel on theirs.

    Args:
        device: where.
        clock: clock to time with.
        ceilings: peaks of that device.
        config: configuration of the generator whose layers are measured.
    """
    sums = dict.fromkeys(("FP16", "INT8", "FP32", "theirs FP16", "theirs FP32"), 0.0)
    for layer in layers(config):
        ms = {
            precision: _times(device, dtype, clock, layer)
            for precision, dtype in (("FP16", torch.float16), ("FP32", torch.float32))
        }
        for precision in ms:
            sums[precision] += ms[precision]["ours"]
            sums[f"theirs {precision}"] += ms[precision]["theirs"]
        sums["INT8"] += ms["FP16"]["INT8"]
        name = f"PredictedConv {{}} {layer}"
        ours, theirs, int8 = (ms["FP16"][side] for side in ("ours", "theirs", "INT8"))
        both = f"{name.format('FP16')} / cuDNN convolution + SpatiallyVaryingConv"
        yield less_is_better(both, ours, theirs, "ms", "ratio > 1")
        rates = layer.operations / ours / 1e9, ceilings.fp16_tflops
        yield more_is_better(f"{name.format('FP16')} / product of matrices", *rates, "TFLOP/s")
        if ceilings.int8_tops is not None:
            rates = layer.operations / int8 / 1e9, ceilings.int8_tops
            yield more_is_better(f"{name.format('INT8')} / product of matrices", *rates, "TOP/s")
    name = "PredictedConv {}, sum of these layers / {}"
    for precision in ("FP16", "FP32"):
        theirs = sums[f"theirs {precision}"]
        full = name.format(precision, f"cuDNN convolution + SpatiallyVaryingConv, {precision}")
        yield less_is_better(full, sums[precision], theirs, "ms", "ratio > 1" if precision == "FP16" else "")
    yield less_is_better(name.format("INT8", "FP16"), sums["INT8"], sums["FP16"], "ms")


def _times(device: torch.device, dtype: torch.dtype, clock: Clock, layer: Layer) -> dict[str, float]:
    """ms of ``ours`` and ``theirs``, and of ``INT8`` in FP16."""
    runs = _candidates(device, dtype, layer)
    ms = clock.medians({name: clock.capture(run) for name, run in runs.items()}, cold=True)
    sides = {name.split(",")[0] for name in ms}
    return {side: min(ms[name] for name in ms if name.split(",")[0] == side) for side in sides}


def _candidates(device: torch.device, dtype: torch.dtype, layer: Layer) -> dict[str, Run]:
    c, j, p, side = layer.channels, layer.features, layer.p, layer.side
    x = draw(1, c, side, side, device=device, dtype=dtype)
    by_plane = draw(1, j, side, side, device=device, dtype=dtype)
    weight = draw(9 * c, j, p, p, device=device, dtype=dtype) / (j * p * p) ** 0.5
    ordered = weight.contiguous(memory_format=torch.channels_last)
    bias = draw(9 * c, device=device, dtype=dtype)
    scale, shift = (draw(c, device=device, dtype=dtype) for _ in range(2))
    runs: dict[str, Run] = {}

    def ours(h: Tensor) -> Run:
        return lambda: cuda.predicted_conv(x, h, ordered, bias, scale, shift)

    def theirs(h: Tensor, w: Tensor, apply: str) -> Run:
        def run() -> Tensor:
            kernels = F.conv2d(h, w, bias, padding=p // 2)
            if apply == "ours":
                return cuda.spatially_varying_conv(x, kernels, 3, scale, shift)
            from layoutrt.operators.torch.backends.triton import spatially_varying_conv as triton_kernels

            return triton_kernels.forward(x, kernels, 3, scale, shift, dtype)

        return run

    by_pixel = by_plane.contiguous(memory_format=torch.channels_last)
    for order, h, w in (("planes", by_plane, weight), ("channels last", by_pixel, ordered)):
        runs[f"ours, {order}"] = ours(h)
        runs[f"theirs, {order}, ours"] = theirs(h, w, "ours")
        if triton.serves(x):
            runs[f"theirs, {order}, Triton"] = theirs(h, w, "Triton")
    if dtype == torch.float16:
        runs |= _quantized(x, by_plane, ordered, bias, scale, shift)
    return runs


def _quantized(
    x: Tensor, h: Tensor, weight: Tensor, bias: Tensor, scale: Tensor, shift: Tensor
) -> dict[str, Run]:
    """Bytes of features in FP16 that are quantized as they are read, and of levels."""
    h_scale = float(h.abs().max()) / 127
    weight_scale = weight.float().abs().amax().expand(x.shape[1]).contiguous() / 127
    levels = (weight.float() / weight_scale[0]).round().to(torch.int8)
    levels = levels.contiguous(memory_format=torch.channels_last)
    h_levels = (h.float() / h_scale).round().to(torch.int8)

    def quantized(features: Tensor) -> Run:
        return lambda: cuda.quantized_predicted_conv(
            x, features, levels, bias, scale, shift, h_scale=h_scale, weight_scale=weight_scale
        )

    return {"INT8, FP16 features": quantized(h), "INT8, levels": quantized(h_levels)}
