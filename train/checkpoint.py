"""Checkpoints: safetensors with their configuration as metadata. Nothing of ours is a pickle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from layoutrt import __version__
from layoutrt.artifacts.model_info import FORMAT, our_metadata
from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_checkpoint
from layoutrt.train.networks.encoder_config import EncoderConfig
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.image_encoder import ImageEncoder
from layoutrt.train.networks.registry import AnyGenerator, build_generator
from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig

Config = TypeVar("Config", GeneratorConfig, SegmenterConfig, EncoderConfig)
Network = TypeVar("Network", bound=nn.Module)


def save_tensors(path: Path, tensors: dict[str, Tensor], kind: str, metadata: dict[str, Any]) -> None:
    """Write tensors and JSON metadata to ``path``, all or nothing.

    Raises:
        LayoutRTError: the file cannot be written; what was there stays.
    """
    header = {
        "layoutrt.format": str(FORMAT),
        "layoutrt.version": __version__,
        "layoutrt.kind": kind,
        **{f"layoutrt.{key}": json.dumps(value) for key, value in metadata.items()},
    }
    with replacing(path) as temporary:
        try:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, header)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load_tensors(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file that `save_tensors` wrote.

    Raises:
        LayoutRTError: a missing, truncated or foreign file, another kind, or a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise LayoutRTError(f"{path} does not exist; give the path of a layoutrt checkpoint (.safetensors)")
    try:
        with safe_open(path, framework="pt") as file:
            header = our_metadata(path, file.metadata() or {})
            if header["kind"] != kind:
                raise LayoutRTError(f"{path} is a {header['kind']} file, not a {kind} file")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise LayoutRTError(
            f"{path} is truncated or not a safetensors file ({error}); copy or train it again"
        ) from None
    texts = ("format", "version", "kind")
    return tensors, {key: json.loads(value) for key, value in header.items() if key not in texts}


def save_generator(
    path: str | Path,
    state: dict[str, Tensor],
    config: GeneratorConfig,
    labels: LabelSet,
    provenance: dict[str, Any],
) -> None:
    """Write a generator checkpoint.

    Args:
        path: path of the new file.
        state: the generator's state dict.
        config: configuration that it was built from.
        labels: the label set it was trained on.
        provenance: description of how it was made; kept as it is.
    """
    save_tensors(Path(path), state, "generator", _network_metadata(config, labels, provenance))


def load_generator(path: str | Path) -> tuple[AnyGenerator, LabelSet, dict[str, Any]]:
    """A generator in evaluation mode, its label set and its provenance.

    Raises:
        LayoutRTError: the file is not a generator checkpoint that this version can load.
    """
    return _load_network(resolve_checkpoint(path), "generator", GeneratorConfig, build_generator)


def save_encoder(
    path: str | Path,
    state: dict[str, Tensor],
    config: EncoderConfig,
    labels: LabelSet,
    provenance: dict[str, Any],
) -> None:
    """Write an image encoder; the arguments are those of `save_generator`."""
    save_tensors(Path(path), state, "encoder", _network_metadata(config, labels, provenance))


def load_encoder(path: str | Path) -> tuple[ImageEncoder, LabelSet, dict[str, Any]]:
    """An image encoder in evaluation mode, the label set of its generator, and its provenance.

    Raises:
        LayoutRTError: the file is not an encoder's that this version can load.
    """
    return _load_network(Path(path), "encoder", EncoderConfig, ImageEncoder)


def save_segmenter(
    path: str | Path,
    state: dict[str, Tensor],
    config: SegmenterConfig,
    labels: LabelSet,
    provenance: dict[str, Any],
) -> None:
    """Write a segmenter checkpoint; the arguments are those of `save_generator`."""
    save_tensors(Path(path), state, "segmenter", _network_metadata(config, labels, provenance))


def load_segmenter(path: str | Path) -> tuple[Segmenter, LabelSet, dict[str, Any]]:
    """A segmenter in evaluation mode, its label set and its provenance.

    Args:
        path: path of a checkpoint, or the name of a shipped one (``camvid-seg``).

    Raises:
        LayoutRTError: the file is not a segmenter checkpoint that this version can load.
    """
    return _load_network(resolve_checkpoint(path), "segmenter", SegmenterConfig, Segmenter)


def _network_metadata(
    config: GeneratorConfig | SegmenterConfig | EncoderConfig, labels: LabelSet, provenance: dict[str, Any]
) -> dict[str, Any]:
    return {
        "config": config.to_dict(),
        "label_set": json.loads(labels.to_json()),
        "provenance": provenance,
    }


def _load_network(
    path: Path, kind: str, configuration: type[Config], build: Callable[[Config], Network]
) -> tuple[Network, LabelSet, dict[str, Any]]:
    tensors, metadata = load_tensors(path, kind)
    unknown = sorted(set(metadata["config"]) - {field.name for field in fields(configuration)})
    if unknown:
        raise LayoutRTError(f"{path} has unknown configuration fields {unknown}; upgrade layoutrt to load it")
    network = build(configuration(**metadata["config"]))
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise LayoutRTError(
            f"{path} does not fit its own configuration ({(missing + unexpected)[0]}); it is damaged"
        )
    return (
        network.eval(),
        LabelSet.from_json(json.dumps(metadata["label_set"])),
        metadata.get("provenance", {}),
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """Adam's moments and step counts under names ``prefix.INDEX.KEY``."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}.{i}.{key}": value for i, entry in state.items() for key, value in entry.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str) -> None:
    """Put back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        head, _, rest = name.partition(".")
        if head == prefix:
            index, key = rest.split(".")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


STATE_FILE = "training.safetensors"
"""Everything that a run consists of; it resumes from here."""
GENERATOR_FILE = "generator.safetensors"
"""The generator alone, to export."""
ENCODER_FILE = "encoder.safetensors"
"""The image encoder of a generator with a latent."""
SNAPSHOTS_FOLDER = "checkpoints"
"""Earlier checkpoints, a folder for each step."""
LOSSES_FILE = "losses.jsonl"
"""The losses, one JSON object for each step."""
CURVES_FILE = "curves.png"
SAMPLES_FILE = "samples.png"
TENSORBOARD_FOLDER = "tensorboard"
