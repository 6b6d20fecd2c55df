"""Runner of a checkpoint in torch, as a candidate of a profile."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from layoutrt.export.graphs.segmenter import never_predict_dont_care
from layoutrt.operators.torch.conv_to_image import to_bytes
from layoutrt.runtime.profiling.runner import MODEL_STAGES, Run
from layoutrt.runtime.profiling.session_runner import read_samples
from layoutrt.train.checkpoint import load_generator, load_segmenter
from layoutrt.train.networks.semantics import semantic_tensor


class CheckpointRunner:
    """A generator or segmenter as it was trained, in float32 on the CPU.

    The stage "copy in" converts the inputs to the network's (one-hot for generators), the stage "copy out"
    converts its output to bytes.

    Args:
        spec: ``model``, ``inputs`` and ``threads`` as in `SessionRunner`, and ``kind``.

    Raises:
        LayoutRTError: the checkpoint cannot be read.
    """

    stages = MODEL_STAGES

    def __init__(self, spec: dict[str, Any]) -> None:
        if spec["threads"]:
            torch.set_num_threads(spec["threads"])
        self.backend = f"torch {torch.__version__} CPU, {torch.get_num_threads()} threads"
        self._samples = read_samples(spec["inputs"])
        self._next = 0
        self._result: NDArray = np.zeros(0)
        parts = _generator(spec["model"]) if spec["kind"] == "generator" else _segmenter(spec["model"])
        self._convert_inputs, self._compute, self._convert_output = parts

    def run(self, count: int) -> list[Run]:
        """See `Runner`."""
        return [self._run() for _ in range(count)]

    @torch.inference_mode()
    def _run(self) -> Run:
        inputs = self._samples[self._next % len(self._samples)]
        self._next += 1
        stamps = [time.perf_counter_ns()]
        tensors = self._convert_inputs(inputs)
        stamps.append(time.perf_counter_ns())
        output = self._compute(tensors)
        stamps.append(time.perf_counter_ns())
        self._result = self._convert_output(output)
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


_Parts = tuple[Callable[[dict[str, NDArray]], Any], Callable[[Any], Tensor], Callable[[Tensor], NDArray]]


def _generator(path: str) -> _Parts:
    generator, _, _ = load_generator(path)
    classes = generator.config.num_classes

    def convert(inputs: dict[str, NDArray]) -> tuple[Tensor, Tensor | None]:
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        return semantic_tensor(tensors["labels"], classes, tensors.get("instances")), tensors.get("z")

    return (
        convert,
        lambda tensors: generator(*tensors),
        lambda image: np.ascontiguousarray(to_bytes(image).numpy()),
    )


def _segmenter(path: str) -> _Parts:
    segmenter, label_set, _ = load_segmenter(path)
    never_predict_dont_care(segmenter, label_set)

    def convert(inputs: dict[str, NDArray]) -> Tensor:
        return torch.from_numpy(inputs["frame"]).permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1

    return convert, segmenter, lambda scores: scores.argmax(1).to(torch.uint8).numpy()
