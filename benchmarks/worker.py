"""The computations that the benchmark compares, for the worker processes of `layoutrt.runtime.profiling`.

A specification has ``threads``, ``kind`` and what that kind needs:

- ``native``: ``model`` and ``inputs`` (an ``.npz`` of its arguments) in the native runtime, which never loads
  torch;
- ``onnxruntime``: the same in ONNX Runtime, with our operators if ``operators`` is true;
- ``published``: ``checkpoint`` and ``inputs`` as the paper publishes it, in torch: the layout one-hot,
  kernels predicted and stored, features unfolded and multiplied by them; the result is the float image;
- ``render``: ``model`` exported with ``--cache-layout``, and ``inputs``, whose layout is set before the first
  run;
- ``video``: ``frames`` (an ``.npz``) through ``segmenter`` and ``generator``, one after the other or, if
  ``overlap`` is true, in a pipeline;
- ``read``: memory traffic of ``bytes``, shared by the threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layoutrt.onnxruntime_package import import_onnxruntime
from layoutrt.runtime.profiling.runner import ENGINE
from layoutrt.runtime.profiling.runner import Run as TimedRun

Run = Callable[[], NDArray]


def _native(spec: dict[str, Any]) -> Run:
    from layoutrt.runtime.session import Session

    session = Session(spec["model"], threads=spec["threads"])
    inputs = dict(np.load(spec["inputs"]))
    (output,) = (info.name for info in session.outputs)
    return lambda: session.run(**inputs)[output]


def _onnxruntime(spec: dict[str, Any]) -> Run:
    onnxruntime = import_onnxruntime()

    from layoutrt.runtime.backends.native_bindings import operator_library

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = spec["threads"]
    options.log_severity_level = 3
    if spec["operators"]:
        options.register_custom_ops_library(str(operator_library()))
    session = onnxruntime.InferenceSession(spec["model"], options, providers=["CPUExecutionProvider"])
    inputs = dict(np.load(spec["inputs"]))
    return lambda: session.run(None, inputs)[0]


def _published(spec: dict[str, Any]) -> Run:
    import torch

    from layoutrt.operators.torch.spatially_varying_conv import reference
    from layoutrt.train.checkpoint import load_generator
    from layoutrt.train.networks import conditional_block
    from layoutrt.train.networks.semantics import semantic_tensor

    torch.set_num_threads(spec["threads"])
    # Nothing else runs in this process.
    conditional_block.conditional_conv = lambda x, hidden, predictor: reference(x, predictor(hidden))
    generator, _, _ = load_generator(spec["checkpoint"])
    inputs = {name: torch.from_numpy(array) for name, array in np.load(spec["inputs"]).items()}

    def run() -> NDArray:
        with torch.inference_mode():
            semantics = semantic_tensor(
                inputs["labels"], generator.config.num_classes, inputs.get("instances")
            )
            return generator(semantics, inputs.get("z")).numpy()

    return run


def _render(spec: dict[str, Any]) -> Run:
    from layoutrt.runtime.session import Session

    session = Session(spec["model"], threads=spec["threads"])
    inputs = dict(np.load(spec["inputs"]))
    z = inputs.pop("z")
    session.set_layout(**inputs)
    return lambda: session.render(z=z)["image"]


def _video(spec: dict[str, Any]) -> Run:
    from layoutrt.runtime.pipeline import Pipeline, Policy
    from layoutrt.runtime.session import Session

    frames = np.load(spec["frames"])["frames"]
    # The stages of a pipeline share the cores; one after the other, each has them all.
    threads = max(1, spec["threads"] // 2) if spec["overlap"] else spec["threads"]
    segmenter, generator = (Session(spec[name], threads=threads) for name in ("segmenter", "generator"))

    def in_turn() -> NDArray:
        for frame in frames:
            labels = segmenter.run(frame=frame[None])["labels"]
            image = generator.run(labels=labels)["image"]
        return image[0]

    if not spec["overlap"]:
        return in_turn
    size = frames.shape[1:3]
    pipeline = Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME, size=size)

    def overlapping() -> NDArray:
        *_, last = pipeline.run(frames)
        return np.zeros(0) if last.image is None else last.image

    return overlapping


def _read(spec: dict[str, Any]) -> Run:
    parts = np.array_split(np.ones(spec["bytes"] // 4, np.float32), 2 * spec["threads"])
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    pairs = [(a[: len(b)], b[: len(a)]) for a, b in pairs]
    pool = ThreadPoolExecutor(spec["threads"])
    return lambda: np.array(list(pool.map(lambda pair: np.dot(*pair), pairs)))


KINDS = {
    "native": _native,
    "onnxruntime": _onnxruntime,
    "published": _published,
    "render": _render,
    "video": _video,
    "read": _read,
}


class KindRunner:
    """One of `KINDS` as a runner of `layoutrt.runtime.profiling`, with a single stage.

    Args:
        spec: see the module.
    """

    stages = (ENGINE,)
    backend = ""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._run = KINDS[spec["kind"]](spec)
        self._result: NDArray = np.zeros(0)

    def turn(self, count: int) -> list[TimedRun]:
        """See `Runner`."""
        runs = []
        for _ in range(count):
            started = time.perf_counter_ns()
            self._result = self._run()
            total_ms = (time.perf_counter_ns() - started) / 1e6
            runs.append(TimedRun(started, total_ms, (total_ms,)))
        return runs

    def result(self) -> NDArray | None:
        """Result of the last run."""
        return self._result

    def details(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """Nothing is held that the end of the process does not free."""
