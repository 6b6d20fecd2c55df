"""Programs that can run a model, by the value of ``--backend``."""

from __future__ import annotations

from typing import Any

from layoutrt.artifacts.model_info import CHECKPOINT, ENGINE
from layoutrt.errors import LayoutRTError
from layoutrt.runtime.profiling.target import PIPELINE, Target

_HERE = "layoutrt.runtime.profiling"
BACKENDS: dict[str, dict[str, Any]] = {
    "native": {"runner": f"{_HERE}.session_runner:SessionRunner"},
    "onnxruntime": {"runner": f"{_HERE}.onnxruntime_runner:OnnxRuntimeRunner"},
    "bodies": {"runner": f"{_HERE}.onnxruntime_runner:OnnxRuntimeRunner", "operators": False},
}
"""``native``: the native runtime; ``onnxruntime``: ONNX Runtime's Python session with our operators;
``bodies``: the same without them, as a machine that lacks layoutrt would run the file."""
TENSORRT_LAYERS = {"runner": f"{_HERE}.tensorrt_runner:TensorRTLayersRunner"}
"""Runner of engines with each layer timed."""
PIPELINE_RUNNER = f"{_HERE}.pipeline_runner:PipelineRunner"
REFERENCE_WORKLOAD = f"{_HERE}.reference_workload:ReferenceWorkload"


def specification(target: Target, backend: str | None, checkpoint_runner: str | None) -> dict[str, Any]:
    """Specification of a target for a worker process, without its inputs and threads.

    Args:
        target: the model.
        backend: one of `BACKENDS`, for ONNX files; ``native`` by default.
        checkpoint_runner: class that runs checkpoints, ``module:Name``; None if torch is not installed.

    Raises:
        LayoutRTError: none of the backends runs this kind of model.
    """
    if backend is not None and backend not in BACKENDS:
        raise LayoutRTError(f"--backend {backend} is not known; choose {', '.join(BACKENDS)}")
    common = {"name": target.name, "model": str(target.path), "kind": target.kind}
    if target.form == CHECKPOINT:
        if checkpoint_runner is None:
            raise LayoutRTError(
                f"{target.path} is a checkpoint, which only torch runs; install it with: "
                "pip install 'layoutrt[train]', or export it first"
            )
        return common | {"runner": checkpoint_runner}
    if target.segmenter is not None and target.form == PIPELINE:
        return common | {"runner": PIPELINE_RUNNER, "segmenter": str(target.segmenter.path)}
    if target.form == ENGINE and backend not in (None, "native"):
        raise LayoutRTError(f"{target.path} is an engine, which TensorRT runs; leave --backend {backend} out")
    return common | BACKENDS[backend or "native"]
