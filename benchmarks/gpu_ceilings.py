"""Peaks of the GPU at hand, measured in the same run as the kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from benchmarks.gpu_clock import Clock, draw
from benchmarks.rows import Row, more_is_better


@dataclass(frozen=True)
class Ceilings:
    """Peaks of one GPU."""

    copy_gbs: float
    """Bytes read and written in a second by the faster way of copying, in 10^9."""
    fp16_tflops: float
    """FP16 products with float32 sums, in 10^12 operations a second."""
    int8_tops: float | None
    """8-bit products; None where torch has none for the GPU."""


def measure_ceilings(
    device: torch.device, clock: Clock, copy_bytes: int, matrix: int
) -> tuple[Ceilings, list[Row]]:
    """Measure them.

    Args:
        device: where.
        clock: clock to time with.
        copy_bytes: size of what is copied.
        matrix: rows and columns of the square matrices that are multiplied.
    """
    memcpy, kernel = _copy_gbs(device, clock, copy_bytes)
    products = _products(device, clock, matrix)
    ceilings = Ceilings(max(memcpy, kernel), products["FP16"], products.get("INT8"))
    return ceilings, list(_rows(memcpy, kernel, products, copy_bytes, matrix))


def _rows(
    memcpy: float, kernel: float, products: dict[str, float], copy_bytes: int, matrix: int
) -> Iterator[Row]:
    name = f"ceiling: memcpy of {copy_bytes / 2**30:.3g} GiB on the device / torch's copying kernel"
    yield more_is_better(name, memcpy, kernel, "GB/s")
    name = f"ceiling: product of {matrix}x{matrix} matrices, {{}} / {{}}"
    yield more_is_better(name.format("FP16", "FP32"), products["FP16"], products["FP32"], "TFLOP/s")
    if "INT8" in products:
        yield more_is_better(name.format("INT8", "FP16"), products["INT8"], products["FP16"], "TOP/s")


def _copy_gbs(device: torch.device, clock: Clock, size: int) -> tuple[float, float]:
    source = torch.ones(size // 4, device=device)
    target = torch.empty_like(source)
    runs = {
        "memcpy": lambda: target.copy_(source),
        # An elementwise kernel of torch reads and writes 128 bits at a time.
        "kernel": lambda: torch.mul(source, 1.0, out=target),
    }
    ms = clock.medians(runs)
    return 2 * size / ms["memcpy"] / 1e6, 2 * size / ms["kernel"] / 1e6


def _products(device: torch.device, clock: Clock, matrix: int) -> dict[str, float]:
    half = draw(matrix, matrix, device=device, dtype=torch.float16)
    single = half.float()
    runs = {"FP16": lambda: half @ half, "FP32": lambda: single @ single}
    levels = torch.ones(matrix, matrix, device=device, dtype=torch.int8)
    by_column = levels.t()
    try:
        torch._int_mm(levels, by_column)
        runs["INT8"] = lambda: torch._int_mm(levels, by_column)
    except RuntimeError:
        # Not on every GPU, nor in every build of torch.
        pass
    return {name: 2 * matrix**3 / ms / 1e9 for name, ms in clock.medians(runs).items()}
