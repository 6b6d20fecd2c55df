"""What can run a model, by the word of ``--backend``."""

from __future__ import annotations

from typing import Any

from layoutrt.artifacts.model_info import CHECKPOINT, ENGINE
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.subject import PIPELINE, Subject

_HERE = "layoutrt.runtime.profiling"
BACKENDS: dict[str, dict[str, Any]] = {
    "native": {"runner": f"{_HERE}.session_runner:SessionRunner"},
    "onnxruntime": {"runner": f"{_HERE}.onnxruntime_runner:OnnxRuntimeRunner"},
    "bodies": {"runner": f"{_HERE}.onnxruntime_runner:OnnxRuntimeRunner", "operators": False},
}
"""``native``: the native runtime; ``onnxruntime``: ONNX Runtime's Python session with our operators;
``bodies``: the same without them, as a machine that lacks layoutrt would run the file."""
TENSORRT_LAYERS = {"runner": f"{_HERE}.tensorrt_runner:TensorRTLayersRunner"}
"""Of engines, each layer timed."""
PIPELINE_RUNNER = f"{_HERE}.pipeline_runner:PipelineRunner"
YARDSTICK = f"{_HERE}.yardstick:Yardstick"


def specification(subject: Subject, backend: str | None, checkpoint_runner: str | None) -> dict[str, Any]:
    """What a worker process is told of a subject, without its inputs and threads.

    Args:
        subject: the model.
        backend: one of `BACKENDS`, for ONNX files; ``native`` by default.
        checkpoint_runner: class that runs checkpoints, ``module:Name``; None where there is none.

    Raises:
        LayoutRTError: nothing here runs such a model.
    """
    if backend is not None and backend not in BACKENDS:
        raise LayoutRTError(f"--backend {backend} is not known; choose {', '.join(BACKENDS)}")
    common = {"name": subject.name, "model": str(subject.path), "kind": subject.kind}
    if subject.form == CHECKPOINT:
        if checkpoint_runner is None:
            raise LayoutRTError(
                f"{subject.path} is a checkpoint, which only torch runs; install it with: "
                "pip install 'layoutrt[train]', or export it first"
            )
        return common | {"runner": checkpoint_runner}
    if subject.segmenter is not None and subject.form == PIPELINE:
        return common | {"runner": PIPELINE_RUNNER, "segmenter": str(subject.segmenter.path)}
    if subject.form == ENGINE and backend not in (None, "native"):
        raise LayoutRTError(
            f"{subject.path} is an engine, which TensorRT runs; leave --backend {backend} out"
        )
    return common | BACKENDS[backend or "native"]
