"""Targets of a profile: models by file or name, and pipelines of two."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx

from layoutrt.artifacts.engine_manifest import is_engine, read_manifest
from layoutrt.artifacts.info import describe
from layoutrt.artifacts.safetensors_header import read_safetensors_header
from layoutrt.errors import LayoutRTError
from layoutrt.files import file_digest
from layoutrt.graph.onnx_file import weights_path
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_checkpoint, resolve_model, shipped_models

_SEGMENTER_STEP = 16
"""Heights and widths of a segmenter are multiples of this."""
ONNX, CHECKPOINT, ENGINE, PIPELINE = "onnx", "checkpoint", "engine", "pipeline"


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
    path = _path(text)
    if is_engine(path):
        return _engine(path, size)
    if path.suffix == ".safetensors":
        return _checkpoint(path, size)
    return _onnx(path, size)


def _check_size(name: str, kind: str, config: dict[str, Any], size: tuple[int, int]) -> None:
    """Refuse a size that halving does not divide."""
    step = _SEGMENTER_STEP if kind == "segmenter" else 2 ** (int(config.get("pyramid_levels", 1)) - 1)
    if min(size) < step or size[0] % step or size[1] % step:
        raise LayoutRTError(
            f"model {name} cannot run at {size[0]}x{size[1]}; give a --size of multiples of {step}"
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


def _path(text: str) -> Path:
    if text in shipped_models() or not resolve_checkpoint(text).is_file():
        return resolve_model(text)
    return resolve_checkpoint(text)


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


def _onnx(path: Path, size: tuple[int, int] | None) -> Target:
    facts = describe(path)
    model = onnx.load(path, load_external_data=False)
    metadata = {entry.key.removeprefix("layoutrt."): entry.value for entry in model.metadata_props}
    constants = {tensor.name for tensor in model.graph.initializer}
    first = next(value for value in model.graph.input if value.name not in constants)
    batch, *fixed = (dim.dim_value for dim in first.type.tensor_type.shape.dim)
    own = tuple(fixed[:2])
    if size and all(own) and own != size:
        raise LayoutRTError(
            f"model {path.stem} runs at {own[0]}x{own[1]} and not {size[0]}x{size[1]}; "
            "leave --size out, or export it with --size dynamic"
        )
    config = json.loads(metadata["config"])
    if size:
        _check_size(path.stem, metadata["kind"], config, size)
    weights = weights_path(path)
    return Target(
        path.stem,
        ONNX,
        path,
        metadata["kind"],
        str(facts.get("precision", "unknown")),
        LabelSet.from_json(metadata["label_set"]),
        config,
        size or ((own[0], own[1]) if all(own) and len(own) == 2 else _trained(config)),
        batch or 1,
        file_digest(path) + (file_digest(weights) if weights.is_file() else ""),
    )


def _engine(path: Path, size: tuple[int, int] | None) -> Target:
    facts, manifest = describe(path), read_manifest(path)
    metadata = {key.removeprefix("layoutrt."): value for key, value in manifest.metadata.items()}
    config = json.loads(metadata["config"])
    first = manifest.inputs[0]
    low, best, high = ((shape[1], shape[2]) for shape in (first.min, first.opt, first.max))
    if size:
        _check_size(path.stem, metadata["kind"], config, size)
        if not (low[0] <= size[0] <= high[0] and low[1] <= size[1] <= high[1]):
            raise LayoutRTError(
                f"the engine {path} was built for {low[0]}x{low[1]} to {high[0]}x{high[1]} and not for "
                f"{size[0]}x{size[1]}; leave --size out, or build it again with --min and --max around it"
            )
    return Target(
        path.stem,
        ENGINE,
        path,
        metadata["kind"],
        str(facts.get("precision", "unknown")),
        LabelSet.from_json(metadata["label_set"]),
        config,
        size or best,
        first.opt[0],
        manifest.engine_sha256,
    )


def _checkpoint(path: Path, size: tuple[int, int] | None) -> Target:
    describe(path)
    metadata = read_safetensors_header(path).metadata
    ours = {key.removeprefix("layoutrt."): value for key, value in metadata.items()}
    if ours["kind"] not in ("generator", "segmenter"):
        raise LayoutRTError(
            f"{path} is neither a generator nor a segmenter; give the checkpoint that training wrote last"
        )
    config = json.loads(ours["config"])
    if size:
        _check_size(path.stem, ours["kind"], config, size)
    return Target(
        path.stem,
        CHECKPOINT,
        path,
        ours["kind"],
        "fp32",
        LabelSet.from_json(ours["label_set"]),
        config,
        size or _trained(config),
        1,
        file_digest(path),
    )


def _trained(config: dict[str, Any]) -> tuple[int, int]:
    return int(config["image_height"]), int(config["image_width"])
