"""A camera that does not wait: the pipeline beside a serial loop on the newest frame.

Run as a worker, ``python -m benchmarks.live_video pipeline 2``, it measures one side with that many threads
and prints one JSON object.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, less_is_better, more_is_better
from layoutrt.runtime.pipeline import Pipeline
from layoutrt.runtime.session import Session

SIZE = (192, 256)
MODELS = ("camvid-seg-int8", "camvid-edge-int8")
FRAME_RATE = 120.0
"""Frames per second of the camera: more than a small machine can render."""

SECONDS = 2.0
"""Length of one run."""

MOST_ROUNDS = 5


@dataclass(frozen=True)
class Measured:
    """One run of one side."""

    images_per_s: float
    latency_p50_ms: float
    """From the capture of a frame until its image is in the caller's hands."""
    segmented: int
    rendered: int


def live_rows(rounds: int) -> Iterator[Row]:
    """Rate and latency with one thread for each model and with the default number, sides in turns.

    Args:
        rounds: runs of each side, at most `MOST_ROUNDS`.
    """
    for threads in (1, 0):
        runs: dict[str, list[Measured]] = {"pipeline": [], "serial": []}
        for _ in range(min(rounds, MOST_ROUNDS)):
            for side, measured in runs.items():
                measured.append(_in_a_process(side, threads))
        name = "one thread each" if threads else "default threads"
        rates, latencies = (
            {side: statistics.median(getattr(run, figure) for run in made) for side, made in runs.items()}
            for figure in ("images_per_s", "latency_p50_ms")
        )
        unused = [100 * (1 - run.rendered / run.segmented) for run in runs["pipeline"]]
        yield more_is_better(
            f"camera of {FRAME_RATE:.0f} frames/s, {name}: pipeline / serial loop on the newest frame",
            rates["pipeline"],
            rates["serial"],
            "images/s",
            "ratio >= 1",
        )
        yield less_is_better(
            f"the same: latency (segmentations that were not rendered: {statistics.median(unused):.1f} %)",
            latencies["pipeline"],
            latencies["serial"],
            "ms",
            "ratio >= 0.95",
        )


def _in_a_process(side: str, threads: int) -> Measured:
    command = [sys.executable, "-m", "benchmarks.live_video", side, str(threads)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return Measured(**json.loads(done.stdout))


def measure(side: str, threads: int, seconds: float = SECONDS) -> Measured:
    """Run one side.

    Args:
        side: ``"pipeline"`` or ``"serial"``.
        threads: threads of each model; 0 for the default.
        seconds: length of the run.
    """
    with (
        Session(MODELS[0], threads=threads or None) as segmenter,
        Session(MODELS[1], threads=threads or None) as generator,
    ):
        generator.run(labels=segmenter.run(frame=_frames()[:1])["labels"])
        before = segmenter.timings.runs, generator.timings.runs
        start = time.perf_counter()
        run = _pipeline if side == "pipeline" else _serial
        latencies = run(segmenter, generator, start + seconds)
        return Measured(
            len(latencies) / (time.perf_counter() - start),
            statistics.median(latencies),
            segmenter.timings.runs - before[0],
            generator.timings.runs - before[1],
        )


def _frames() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (8, *SIZE, 3), np.uint8)


def _camera(until: float) -> Iterator[NDArray[np.uint8]]:
    frames = _frames()
    start, index = time.perf_counter(), 0
    while time.perf_counter() < until:
        early = start + index / FRAME_RATE - time.perf_counter()
        if early > 0:
            time.sleep(early)
        yield frames[index % len(frames)]
        # Frames that nobody waited for are lost, as with a real camera.
        index = max(index + 1, int((time.perf_counter() - start) * FRAME_RATE))


def _pipeline(segmenter: Session, generator: Session, until: float) -> list[float]:
    with Pipeline(segmenter, generator) as pipeline:
        return [(time.monotonic_ns() - result.captured_ns) / 1e6 for result in pipeline.run(_camera(until))]


def _serial(segmenter: Session, generator: Session, until: float) -> list[float]:
    changed = threading.Condition()
    newest: list[tuple[NDArray[np.uint8], int]] = []
    ended = False

    def bring() -> None:
        nonlocal ended
        for frame in _camera(until):
            with changed:
                newest[:] = [(frame.copy(), time.monotonic_ns())]
                changed.notify()
        with changed:
            ended = True
            changed.notify()

    thread = threading.Thread(target=bring)
    thread.start()
    latencies = []
    while True:
        with changed:
            changed.wait_for(lambda: newest or ended)
            if ended:
                break
            frame, captured_ns = newest.pop()
        labels = segmenter.run(frame=frame[None])["labels"]
        generator.run(labels=labels)
        latencies.append((time.monotonic_ns() - captured_ns) / 1e6)
    thread.join()
    return latencies


if __name__ == "__main__":
    print(json.dumps(asdict(measure(sys.argv[1], int(sys.argv[2])))))
