"""Models of any file format behind one interface: what verification, evaluation and comparison sheets run."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import (
    CHECKPOINT,
    GENERATOR,
    ONNX,
    TENSORRT,
    ModelInfo,
    Size,
    read_model_info,
)
from layoutrt.errors import LayoutRTError, require
from layoutrt.files import temporary_folder
from layoutrt.graph.onnx_file import read_onnx, save_model
from layoutrt.runtime.session import Session


class OpenModel(Protocol):
    """A generator or segmenter that is ready to run.

    Attributes:
        info: its description.
        backend: library, instruction set and threads that run it.
    """

    info: ModelInfo
    backend: str

    def run(self, arguments: dict[str, NDArray]) -> NDArray[np.uint8]:
        """Run the model on any number of inputs.

        Args:
            arguments: ``labels`` uint8 [N,H,W], ``instances`` int32 [N,H,W] and ``z`` float32 [N,latent] of a
                generator, as far as it takes them; ``frame`` uint8 [N,H,W,3] of a segmenter.

        Returns:
            A generator's images uint8 [N,H,W,3], RGB, or a segmenter's labels uint8 [N,H,W].
        """

    def close(self) -> None:
        """Free the model. Allowed more than once."""


class ExportedModel:
    """An ONNX file or an engine, run as `layoutrt.runtime.session.Session` does."""

    def __init__(self, info: ModelInfo, threads: int | None) -> None:
        self.info = info
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        path = info.path
        if info.target == TENSORRT and info.format == ONNX:
            self._folder = temporary_folder()
            path = Path(self._folder.name, path.name)
            save_model(load_graph(info), path)
        self._session = Session(path, threads=threads)
        self.backend = self._session.backend

    def run(self, arguments: dict[str, NDArray]) -> NDArray[np.uint8]:
        """See `OpenModel`."""
        count = len(next(iter(arguments.values())))
        batch = self.info.batch or count
        results = []
        for first in range(0, count, batch):
            # A model of a fixed batch computes the last input several times.
            places = np.minimum(np.arange(first, first + batch), count - 1)
            outputs = self._session.run(**{name: array[places] for name, array in arguments.items()})
            results.append(outputs["image" if self.info.kind == GENERATOR else "labels"])
        return np.concatenate(results)[:count]

    def close(self) -> None:
        """See `OpenModel`."""
        self._session.close()
        if self._folder:
            self._folder.cleanup()


def open_model(model: str | Path, threads: int | None = None, kind: str | None = None) -> OpenModel:
    """Open a model by its file or shipped name.

    Args:
        model: checkpoint (``.safetensors``), exported model, or shipped name of either; where both ship, the
            exported one.
        threads: of one run of an exported model; None for one per processor.
        kind: ``"generator"`` or ``"segmenter"``; None for either.

    Raises:
        LayoutRTError: there is no such model, or it is of another kind.
    """
    info = read_model_info(model)
    if not info.runs_alone:
        raise LayoutRTError(
            f"{info.path} is not a whole generator or segmenter; give one that can be run alone"
        )
    if kind and info.kind != kind:
        raise LayoutRTError(f"{info.path} is a {info.kind} and not a {kind}; give a {kind}")
    if info.format == CHECKPOINT:
        require("torch", extra="train", purpose="running a checkpoint")
        from layoutrt.export.checkpoint_models import CheckpointModel

        return CheckpointModel(info)
    return ExportedModel(info, threads)


def load_graph(info: ModelInfo) -> onnx.ModelProto:
    """The graph of an ONNX file with its weights, in the form that ONNX Runtime reads."""
    model = read_onnx(info.path, weights=True)
    if info.target == TENSORRT:
        from layoutrt.calib.trt.ort_equivalent import for_onnxruntime

        model = for_onnxruntime(model)
    return model


def common_size(a: ModelInfo, b: ModelInfo, size: Size | None) -> Size:
    """The (height, width) to compare two models at: what was asked for, or what they are made for.

    Raises:
        LayoutRTError: one of them cannot run at it.
    """
    size = size or a.size or b.size or a.run_size
    for model in (a, b):
        model.check_size(size)
    return size


def check_pair(a: ModelInfo, b: ModelInfo) -> None:
    """Refuse two models that do not do the same thing.

    Raises:
        LayoutRTError: they differ in kind, label set, instances or latent.
    """
    name, other = a.path.name, b.path.name
    if a.kind != b.kind:
        raise LayoutRTError(f"{a.path} is a {a.kind} and {b.path} a {b.kind}; give two models of one kind")
    if a.label_set != b.label_set:
        raise LayoutRTError(
            f"model {name} has the label set '{a.label_set.name}' ({a.label_set.num_classes} classes) and "
            f"{other} '{b.label_set.name}' ({b.label_set.num_classes}); give two models of one label set"
        )
    if a.needs_instances != b.needs_instances:
        reader, other = (name, other) if a.needs_instances else (other, name)
        raise LayoutRTError(
            f"model {reader} reads instance ids and {other} does not; give two models of one network"
        )
    if a.latent != b.latent:
        raise LayoutRTError(
            f"model {name} has a latent of {a.latent} and {other} of {b.latent}; "
            "give two models of one network"
        )
