"""Time and peak memory of a training step with our operators and with unfolding.

Run as ``python -m benchmarks.training``. Every case runs in a process of its own, so that its peak memory is
its own, and is one of three formulations of the same gradients:

- ``ours``: the operators as they are trained (native on CPU, Triton on CUDA);
- ``loop``: a fused multiply-add of torch per tap, which unfolds nothing either but stores predicted kernels;
- ``unfold``: the operators' references under autograd, with the tensor ``[N, 9C, H, W]`` of unfolded input.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from layoutrt.operators.torch.backends import native
from layoutrt.operators.torch.predicted_conv import predicted_conv
from layoutrt.operators.torch.predicted_conv import reference as predicted_reference
from layoutrt.operators.torch.spatially_varying_conv import reference as varying_reference
from layoutrt.operators.torch.spatially_varying_conv import spatially_varying_conv
from layoutrt.report.console_table import console_table

FORMULATIONS = ("ours", "loop", "unfold")
SIZES = ((96, 128), (192, 256))
CHANNELS = (16, 32, 64)
BATCH = 2
FEATURES = 16
"""Features that kernels are predicted from, by a 1x1 convolution."""


@dataclass(frozen=True)
class Case:
    """One step: ``varying`` or ``predicted`` with so many channels, or ``generator`` of that width."""

    what: str
    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Cost:
    """Median time of a step, and memory that it takes beyond what its arguments do."""

    step_ms: float
    peak_mb: float


def cases() -> list[Case]:
    """The operators at `CHANNELS` and `SIZES`, and a generator."""
    operators = [
        Case(what, c, height, width)
        for what in ("varying", "predicted")
        for height, width in SIZES
        for c in CHANNELS
    ]
    return [*operators, Case("generator", 16, 96, 128)]


def step_of(case: Case, formulation: str) -> Callable[[], None]:
    """A function that computes the case's gradients once, in that formulation."""
    if formulation == "loop":
        # Without the library the operator of the same name is the loop.
        native.library = lambda: None  # type: ignore[assignment]
    torch.manual_seed(0)
    varying = varying_reference if formulation == "unfold" else spatially_varying_conv
    if case.what == "generator":
        return _generator_step(case, formulation)
    image = (case.height, case.width)
    x = torch.randn(BATCH, case.channels, *image, requires_grad=True)
    if case.what == "varying":
        w = torch.randn(BATCH, case.channels * 9, *image, requires_grad=True)
        return lambda: _backward(varying(x, w), [x, w])
    h = torch.randn(BATCH, FEATURES, *image, requires_grad=True)
    weight = torch.randn(case.channels * 9, FEATURES, 1, 1, requires_grad=True)
    bias = torch.randn(case.channels * 9, requires_grad=True)
    # The loop stores all kernels, as the operator did before it had a native gradient.
    operators: dict[str, Callable[..., Tensor]] = {
        "ours": predicted_conv,
        "loop": _stored_kernels,
        "unfold": predicted_reference,
    }
    operator = operators[formulation]
    return lambda: _backward(operator(x, h, weight, bias), [x, h, weight, bias])


def _stored_kernels(x: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return spatially_varying_conv(x, torch.nn.functional.conv2d(h, weight, bias))


def _backward(y: Tensor, arguments: Sequence[Tensor]) -> None:
    torch.autograd.grad(y, arguments, torch.ones_like(y))


def _generator_step(case: Case, formulation: str) -> Callable[[], None]:
    from layoutrt.train.networks import conditional_block
    from layoutrt.train.networks.generator import Generator
    from layoutrt.train.networks.generator_config import GeneratorConfig
    from layoutrt.train.networks.semantics import semantic_tensor

    if formulation != "ours":
        varying = varying_reference if formulation == "unfold" else spatially_varying_conv
        conditional_block.conditional_conv = lambda x, hidden, predictor: varying(x, predictor(hidden))
    config = GeneratorConfig(12, width=case.channels, hidden=16, predictor_kernel=1)
    generator = Generator(config)
    labels = torch.randint(0, 12, (BATCH, case.height // 8, case.width // 8), dtype=torch.uint8)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    semantics = semantic_tensor(labels, 12, None)
    parameters = list(generator.parameters())
    return lambda: _backward(generator(semantics), parameters)


def measure(case: Case, formulation: str, threads: int, seconds: float) -> Cost:
    """Cost of a case in this process, which should do nothing else."""
    torch.set_num_threads(threads)
    # The first call imports what torch needs for it, which is not a cost of a step.
    step_of(replace(case, height=32, width=32), formulation)()
    step = step_of(case, formulation)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        begin = time.perf_counter()
        step()
        times.append((time.perf_counter() - begin) * 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Cost(statistics.median(times), (peak - before) / 1024)


def _measure_apart(case: Case, formulation: str, threads: int, seconds: float) -> Cost:
    request = json.dumps({**asdict(case), "formulation": formulation})
    command = [sys.executable, "-m", "benchmarks.training", "--seconds", str(seconds)]
    command += ["--threads", str(threads), "--one", request]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Cost(**json.loads(done.stdout))


def _table(threads: int, seconds: float) -> Table:
    title = f"forward and backward, float32, batch {BATCH}, {threads} thread(s)"
    columns = ("ours ms", "loop / ours", "unfold / ours", "ours MB", "loop / ours", "unfold / ours")
    table = console_table(title, ["step"], columns, wrap=True)
    for case in cases():
        ours, *others = (_measure_apart(case, f, threads, seconds) for f in FORMULATIONS)
        table.add_row(
            f"{case.what} C={case.channels} {case.height}x{case.width}",
            f"{ours.step_ms:.1f}",
            *(f"{other.step_ms / ours.step_ms:.2f}" for other in others),
            f"{ours.peak_mb:.0f}",
            *(f"{other.peak_mb / max(ours.peak_mb, 1.0):.2f}" for other in others),
        )
    return table


def main() -> None:
    """Print a table of all cases for each number of threads."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads to compare"
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="time given to each case")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        request = json.loads(arguments.one)
        formulation = request.pop("formulation")
        cost = measure(Case(**request), formulation, arguments.threads[0], arguments.seconds)
        print(json.dumps(asdict(cost)))
        return
    for threads in arguments.threads:
        Console(width=110).print(_table(threads, arguments.seconds))


if __name__ == "__main__":
    main()
