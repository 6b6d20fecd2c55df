"""Runner of a checkpoint in torch, as a candidate of a profile."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import read_model_info
from layoutrt.export.checkpoint_models import CheckpointModel
from layoutrt.runtime.profiling.runner import MODEL_STAGES, Run
from layoutrt.runtime.profiling.session_runner import read_samples


class CheckpointRunner:
    """A generator or segmenter as it was trained, in float32 on the CPU.

    The stage "copy in" converts the inputs to the network's (one-hot for generators), the stage "copy out"
    converts its output to bytes.

    Args:
        spec: ``model``, ``inputs`` and ``threads`` as of `SessionRunner`.

    Raises:
        LayoutRTError: the checkpoint cannot be read.
    """

    stages = MODEL_STAGES

    def __init__(self, spec: dict[str, Any]) -> None:
        if spec["threads"]:
            torch.set_num_threads(spec["threads"])
        self._model = CheckpointModel(read_model_info(spec["model"]))
        self.backend = self._model.backend
        self._samples = read_samples(spec["inputs"])
        self._next = 0
        self._result: NDArray = np.zeros(0)

    def run(self, count: int) -> list[Run]:
        """See `Runner`."""
        return [self._run() for _ in range(count)]

    @torch.inference_mode()
    def _run(self) -> Run:
        inputs = self._samples[self._next % len(self._samples)]
        self._next += 1
        stamps = [time.perf_counter_ns()]
        taken = self._model.take(inputs)
        stamps.append(time.perf_counter_ns())
        computed = self._model.compute(taken)
        stamps.append(time.perf_counter_ns())
        self._result = self._model.give(computed)
        stamps.append(time.perf_counter_ns())
        parts = [(after - before) / 1e6 for before, after in itertools.pairwise(stamps)]
        return Run(stamps[0], (stamps[-1] - stamps[0]) / 1e6, (0.0, *parts))

    def result(self) -> NDArray | None:
        """The image or the labels."""
        return self._result

    def details(self) -> dict[str, Any]:
        """No details."""
        return {}

    def close(self) -> None:
        """The end of the process frees everything."""
