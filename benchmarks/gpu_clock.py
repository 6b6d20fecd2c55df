"""Times on a GPU: medians by CUDA events, each candidate captured into a CUDA graph, in alternating
rounds."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Run = Callable[[], object]

WARM_UP = 3
"""Runs of each that are not counted; kernels are compiled and algorithms chosen in them."""


class Clock(ABC):
    """Clock that times candidates in alternating rounds.

    Args:
        rounds: runs of each that are counted.
    """

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def medians(self, runs: Mapping[str, Run], *, cold: bool = False) -> dict[str, float]:
        """Median ms of each, by its name.

        Args:
            runs: the candidates; every second round goes through them backwards.
            cold: empty the caches before each run, as far as another tensor's bytes can.
        """
        for run in runs.values():
            for _ in range(WARM_UP):
                run()
        names = list(runs)
        taken: dict[str, list[float]] = {name: [] for name in names}
        for number in range(self.rounds):
            for name in names if number % 2 == 0 else reversed(names):
                self.measure(runs[name], cold, taken[name])
        self.settle(taken)
        return {name: statistics.median(times) for name, times in taken.items()}

    @abstractmethod
    def capture(self, run: Run) -> Run:
        """A replay of ``run`` without Python; ``run`` reads and writes the same tensors every time."""

    @abstractmethod
    def measure(self, run: Run, cold: bool, times: list[float]) -> None:
        """Run once, and add the ms to ``times`` at the latest in `settle`."""

    @abstractmethod
    def settle(self, taken: Mapping[str, list[float]]) -> None:
        """Wait until all that was measured has ended."""


class WallClock(Clock):
    """For code that runs on the CPU: shows that a benchmark works, not how fast a GPU is."""

    def capture(self, run: Run) -> Run:
        """``run`` itself."""
        return run

    def measure(self, run: Run, cold: bool, times: list[float]) -> None:
        """See `Clock`."""
        started = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - started) / 1e6)

    def settle(self, taken: Mapping[str, list[float]]) -> None:
        """Nothing to wait for."""


class EventClock(Clock):
    """For a GPU, on torch's current stream.

    Caches are emptied by reading 256 MB, more than the second-level cache of any GPU; written bytes would be
    on their way back to memory while the next run is timed. That reading takes longer than it takes Python to
    launch the next run, so the events see the GPU's time alone.

    Args:
        rounds: runs of each that are counted.
        device: CUDA device.
    """

    def __init__(self, rounds: int, device: torch.device) -> None:
        super().__init__(rounds)
        self._cold = torch.ones(1 << 26, device=device)
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event, list[float]]] = []

    def capture(self, run: Run) -> Run:
        """A CUDA graph of ``run``, which was run on another stream before, as torch asks for."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = run()

        def replay() -> object:
            graph.replay()
            return result

        return replay

    def measure(self, run: Run, cold: bool, times: list[float]) -> None:
        """See `Clock`."""
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        if cold:
            self._cold.sum()
        start.record()
        run()
        end.record()
        self._events.append((start, end, times))

    def settle(self, taken: Mapping[str, list[float]]) -> None:
        """See `Clock`."""
        torch.cuda.synchronize()
        for start, end, times in self._events:
            times.append(start.elapsed_time(end))
        self._events.clear()


def draw(*shape: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Numbers of a normal distribution, the same in every run."""
    generator = torch.Generator(device).manual_seed(0)
    return torch.randn(*shape, generator=generator, device=device).to(dtype)
