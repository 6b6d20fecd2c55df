"""The benchmark of a GPU: ceilings, operators and the paper's generator, in one unattended run of minutes."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.gpu_ceilings import measure_ceilings
from benchmarks.gpu_clock import Clock, EventClock
from benchmarks.gpu_generator import generator_rows
from benchmarks.gpu_operators import operator_rows
from benchmarks.gpu_predicted_conv import predicted_conv_rows
from benchmarks.paper_generator import CONFIG, LABELS
from benchmarks.rows import Row
from layoutrt import __version__
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.generator_config import GeneratorConfig


@dataclass(frozen=True)
class Plan:
    """The comparisons on a GPU."""

    copy_bytes: int = 1 << 30
    matrix: int = 8192
    """Rows and columns of the matrices whose product is the arithmetic ceiling."""
    side: int = 256
    """Size of the images of the operators that move memory."""
    channels: tuple[int, ...] = (64, 128, 256)
    labels: LabelSet = LABELS
    config: GeneratorConfig = CONFIG
    """Size of the generator's images; the paper's for COCO-Stuff."""


def gpu_rows(device: torch.device, clock: Clock, plan: Plan) -> Iterator[Row]:
    """Every row of the section.

    Args:
        device: where.
        clock: clock to time with.
        plan: operators, sizes and types to measure.
    """
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=True):
        ceilings, rows = measure_ceilings(device, clock, plan.copy_bytes, plan.matrix)
        yield from rows
        yield from operator_rows(device, clock, ceilings, plan.side, plan.channels)
        yield from predicted_conv_rows(device, clock, ceilings, plan.config)
        yield from generator_rows(device, clock, plan.config, plan.labels)


def measure_gpu(rounds: int) -> Iterator[Row]:
    """`gpu_rows` on the GPU at hand.

    Raises:
        LayoutRTError: there is none, or the CUDA kernels cannot be built for it.
    """
    device = the_gpu()
    yield from gpu_rows(device, EventClock(rounds, device), fitting(Plan(), memory_bytes(device)))


def the_gpu() -> torch.device:
    """The GPU that torch sees.

    Raises:
        LayoutRTError: it sees none.
    """
    if not torch.cuda.is_available():
        built = torch.version.cuda or "none, it is a CPU build"
        raise LayoutRTError(
            f"torch {torch.__version__} sees no CUDA GPU (its CUDA: {built}); run this on a machine with an "
            "NVIDIA GPU, its driver, and a CUDA build of torch"
        )
    return torch.device("cuda", torch.cuda.current_device())


def memory_bytes(device: torch.device) -> int:
    """All the memory of a GPU."""
    return torch.cuda.get_device_properties(device).total_memory


def fitting(plan: Plan, memory: int) -> Plan:
    """The plan for a GPU of little memory: a smaller copy, fewer channels of the largest operators."""
    if memory >= 16 << 30:
        return plan
    return replace(plan, copy_bytes=1 << 28, matrix=4096, channels=plan.channels[:2])


def gpu_machine(device: torch.device) -> str:
    """The GPU, its driver and CUDA."""
    properties = torch.cuda.get_device_properties(device)
    capability = f"{properties.major}.{properties.minor}"
    memory = f"{properties.total_memory / 2**30:.0f} GiB"
    return f"{properties.name} ({capability}, {memory}), driver {_driver()}, CUDA {torch.version.cuda}"


def _driver(told: Path = Path("/proc/driver/nvidia/version")) -> str:
    """Version of the kernel driver, such as ``580.65.06``."""
    try:
        words = told.read_text().split()
    except OSError:
        return "unknown"
    return next((word for word in words if word[0].isdigit() and word.count(".") >= 1), "unknown")


def gpu_stamp(rounds: int, device: torch.device) -> str:
    """Date, machine and versions of a measurement; for `document.write_sections`."""
    try:
        import triton

        compiler = f"Triton {triton.__version__}"
    except ImportError:
        compiler = "no Triton"
    versions = f"torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}, {compiler}"
    return (
        f"Measured {datetime.date.today().isoformat()} on {gpu_machine(device)}; layoutrt {__version__}, "
        f"Python {platform.python_version()}, {versions}; medians of {rounds} runs by CUDA events."
    )
