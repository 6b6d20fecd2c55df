"""Runner of a segmenter and a generator on the frames of a video."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.pipeline import Pipeline, Policy, Result
from layoutrt.runtime.processors import usable_processors
from layoutrt.runtime.profiling.runner import Run
from layoutrt.runtime.profiling.session_runner import read_samples
from layoutrt.runtime.session import Session

STAGES = ("capture", "segment wait", "segment", "synthesis wait", "synthesize", "present")
"""Stages from the source's frame to the image in the memory that is shown."""


class PipelineRunner:
    """Runner that sends every frame through the pipeline; the next is pushed while the models still work.

    A frame's stages follow each other, so they add up to its latency. Capture copies the frame into the
    pipeline; presenting copies the image, with an opaque fourth byte, to where a display would read it.

    Args:
        spec: ``segmenter`` and ``model`` (paths), ``inputs`` (an ``.npz`` with ``frame`` uint8 [S,1,H,W,3]),
            ``threads`` (of both models together; None for one per processor).

    Raises:
        LayoutRTError: a model cannot be loaded, or the models' label sets or sizes differ.
    """

    stages = STAGES

    def __init__(self, spec: dict[str, Any]) -> None:
        self._frames = [sample["frame"][0] for sample in read_samples(spec["inputs"])]
        size = self._frames[0].shape[:2]
        share = max(1, (spec["threads"] or usable_processors()) // 2)
        self._segmenter = Session(spec["segmenter"], threads=share)
        self._generator = Session(spec["model"], threads=share)
        self.backend = f"{self._generator.backend} of each model, both at once"
        self._pipeline = Pipeline(
            self._segmenter, self._generator, policy=Policy.EVERY_FRAME, size=(size[0], size[1])
        )
        self._next = 0
        self._shown = np.full((*size, 4), 255, np.uint8)
        self._last: NDArray | None = None

    def run(self, count: int) -> list[Run]:
        """See `Runner`."""
        runs: list[Run] = []
        started_ns: deque[int] = deque()
        pushed = 0
        while len(runs) < count:
            if pushed < count:
                frame = self._frames[self._next % len(self._frames)]
                started = time.perf_counter_ns()
                # Unread results occupy places of the pipeline: if all are taken, read one first.
                if self._pipeline.push(frame, timeout_ms=0):
                    started_ns.append(started)
                    pushed += 1
                    self._next += 1
                    continue
            result = self._pipeline.next(timeout_ms=1 if pushed < count else 60_000)
            if result is not None:
                runs.append(self._present(started_ns.popleft(), result))
            elif pushed == count:
                raise LayoutRTError(
                    "the pipeline returned no image for a minute; check the load of the machine"
                )
        return runs

    def _present(self, started: int, result: Result) -> Run:
        if result.image is None:
            raise LayoutRTError(f"a frame of the pipeline failed: {result.error}")
        self._shown[..., :3] = result.image
        self._last = result.image
        total = (time.perf_counter_ns() - started) / 1e6
        middle = (result.segment_wait_ms, result.segment_ms, result.synthesis_wait_ms, result.synthesis_ms)
        # perf_counter and monotonic are one clock on Linux; the pipeline stamps a frame once it has accepted
        # it.
        capture = max(0.0, (result.captured_ns - started) / 1e6)
        return Run(started, total, (capture, *middle, max(0.0, total - capture - sum(middle))))

    def result(self) -> NDArray | None:
        """The last image."""
        return self._last

    def details(self) -> dict[str, Any]:
        """No details."""
        return {}

    def close(self) -> None:
        """Free the models."""
        self._pipeline.close()
        self._segmenter.close()
        self._generator.close()
