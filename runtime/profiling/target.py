"""Targets of a profile: models by file or name, and pipelines of two."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layoutrt.artifacts.model_info import CHECKPOINT, read_model_info
from layoutrt.errors import LayoutRTError
from layoutrt.files import file_digest
from layoutrt.graph.onnx_file import weights_path
from layoutrt.layouts import LabelSet

PIPELINE = "pipeline"


@dataclass(frozen=True)
class Target:
    """One model, or a segmenter before a generator."""

    name: str
    form: str
    """``onnx``, ``checkpoint``, ``engine`` or ``pipeline``."""
    path: Path
    kind: str
    """``generator`` or ``segmenter``."""
    precision: str
    label_set: LabelSet
    config: dict[str, Any]
    size: tuple[int, int]
    """(height, width) of a run."""
    batch: int
    sha256: str
    segmenter: Target | None = field(default=None)
    """Segmenter of a pipeline; None for a single model."""

    @property
    def reads(self) -> str:
        """``generator`` or ``segmenter``: the model that reads the inputs."""
        return "segmenter" if self.segmenter else self.kind


def find_target(text: str, size: tuple[int, int] | None = None) -> Target:
    """Find a model by name or file and read its description, without running it.

    Args:
        text: shipped name, ONNX file, checkpoint, engine, or ``SEGMENTER+GENERATOR``.
        size: (height, width) of a run, for models with dynamic sizes; by default the size of training.

    Raises:
        LayoutRTError: the model does not exist, or does not accept this size.
    """
    if "+" in text and not Path(text).exists():
        first, _, second = text.partition("+")
        segmenter, generator = find_target(first, size), find_target(second, size)
        if (segmenter.kind, generator.kind) != ("segmenter", "generator") or segmenter.form != generator.form:
            raise LayoutRTError(
                f"'{text}' is not a pipeline; write SEGMENTER+GENERATOR, two ONNX files or shipped names"
            )
        return _pipeline(segmenter, generator)
    info = read_model_info(text)
    if not info.runs_alone:
        raise LayoutRTError(
            f"{info.path} is not a whole generator or segmenter; give one that can be run alone"
        )
    if size:
        info.check_size(size)
    weights = weights_path(info.path)
    return Target(
        info.name,
        info.format,
        info.path,
        info.kind,
        info.precision,
        info.label_set,
        dict(info.config),
        size or info.run_size,
        info.batch or 1,
        file_digest(info.path) + (file_digest(weights) if weights.is_file() else ""),
    )


def unique_names(targets: list[Target]) -> list[str]:
    """A name for each of several models; those of the same name get their form or a number."""
    names: list[str] = []
    for target in targets:
        name = target.name if target.form != CHECKPOINT else f"{target.name} (checkpoint)"
        number = 2
        while name in names:
            name = f"{target.name} ({number})"
            number += 1
        names.append(name)
    return names


def _pipeline(segmenter: Target, generator: Target) -> Target:
    if segmenter.size != generator.size:
        raise LayoutRTError(
            f"{segmenter.name} runs at {segmenter.size[0]}x{segmenter.size[1]} and {generator.name} at "
            f"{generator.size[0]}x{generator.size[1]}; give one --size that both take"
        )
    return Target(
        f"{segmenter.name}+{generator.name}",
        PIPELINE,
        generator.path,
        "pipeline",
        generator.precision,
        generator.label_set,
        generator.config,
        generator.size,
        1,
        generator.sha256,
        segmenter,
    )
