"""A trainer on disk: written all or nothing, resumed exactly, or the start of another run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.train.checkpoint import (
    ENCODER_FILE,
    GENERATOR_FILE,
    STATE_FILE,
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    save_encoder,
    save_generator,
    save_tensors,
)
from layoutrt.train.config import ARCHITECTURE_FIELDS
from layoutrt.train.loop.trainer import Trainer
from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.scaling.precision import load_scaler, scaler_tensors


def save_run(trainer: Trainer, run: Path) -> None:
    """Write the whole state, then the generator alone, each all or nothing.

    Raises:
        LayoutRTError: a weight is not finite, or the files cannot be written; the last checkpoint is kept.
    """
    tensors = {
        f"{name}.{key}": tensor
        for name, network in _saved_networks(trainer).items()
        for key, tensor in network.state_dict().items()
    }
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise LayoutRTError(
                f"{name} is not finite at step {trainer.step}; the last checkpoint is kept: "
                "resume from it with a lower --learning-rate"
            )
    for name, optimizer in _optimizers(trainer).items():
        tensors |= optimizer_tensors(optimizer, name)
    for name, scaler in _scalers(trainer).items():
        tensors |= scaler_tensors(scaler, name)
    metadata = {
        "config": trainer.config.to_dict(),
        "step": trainer.step,
        "labels": list(trainer.labels.names),
    }
    try:
        save_tensors(run / STATE_FILE, tensors, "training", metadata)
        save_inference_encoder(trainer, run)
        save_inference_generator(trainer, run, trainer.inference_generator())
    except LayoutRTError as error:
        kept = "; the checkpoint that was there is kept" if (run / STATE_FILE).exists() else ""
        raise LayoutRTError(f"at step {trainer.step} training {error}{kept}") from None


def save_inference_generator(trainer: Trainer, run: Path, generator: AnyGenerator) -> None:
    """Write a generator of ``trainer`` with what it was made by."""
    save_generator(
        run / GENERATOR_FILE,
        generator.state_dict(),
        trainer.generator_config,
        trainer.labels,
        {"training": trainer.config.provenance(), "step": trainer.step},
    )


def save_inference_encoder(trainer: Trainer, run: Path) -> None:
    """Write the image encoder of a generator with a latent; nothing without one."""
    encoder = trainer.inference_encoder()
    if encoder is None:
        return
    save_encoder(
        run / ENCODER_FILE,
        encoder.state_dict(),
        trainer.config.encoder_config(),
        trainer.labels,
        {"training": trainer.config.provenance(), "step": trainer.step},
    )


def resume(trainer: Trainer, run: Path) -> None:
    """Continue exactly where ``run`` was last saved.

    Raises:
        LayoutRTError: no state there, or one of another configuration.
    """
    tensors, metadata = load_tensors(run / STATE_FILE, "training")
    differences = trainer.config.differences(metadata["config"])
    # Older states name none.
    if metadata.get("labels", names := list(trainer.labels.names)) != names:
        differences.append("other classes in the label set")
    if differences:
        raise LayoutRTError(
            f"{run} was trained with another configuration ({'; '.join(differences)}); resume it with "
            "its own, or start a new run with --init"
        )
    _load_networks(tensors, _saved_networks(trainer))
    for name, optimizer in _optimizers(trainer).items():
        load_optimizer(optimizer, tensors, name)
    for name, scaler in _scalers(trainer).items():
        load_scaler(scaler, tensors, name)
    trainer.step = metadata["step"]


def start_from(trainer: Trainer, run: Path) -> None:
    """Take the networks of another run, for instance one at a smaller size; optimizers start afresh.

    Raises:
        LayoutRTError: no state there, or networks of other shapes.
    """
    tensors, metadata = load_tensors(run / STATE_FILE, "training")
    config = metadata["config"]
    # A run without a latent has no encoder, whatever its width would be.
    encoders = ("encoder_width", "encoder_colors")
    names = tuple(name for name in ARCHITECTURE_FIELDS if name not in encoders or trainer.config.latent)
    differences = trainer.config.differences(config, names)
    if differences:
        raise LayoutRTError(
            f"{run} holds networks of another architecture ({'; '.join(differences)}); start from a run "
            "with the same options, or give its options to this one"
        )
    try:
        _load_networks(tensors, {**trainer.networks, **trainer.averages})
    except RuntimeError as error:
        what = "; ".join(trainer.config.differences(config, ("label_set", "height", "width")))
        detail = what or str(error).splitlines()[1].strip()
        raise LayoutRTError(
            f"{run} holds networks of other shapes ({detail}); start from a run with the same options"
        ) from None


def _saved_networks(trainer: Trainer) -> dict[str, nn.Module]:
    adapters = trainer.distillation.adapters if trainer.distillation else None
    networks = {**trainer.networks, **trainer.averages}
    return networks | ({"adapters": adapters} if adapters is not None else {})


def _optimizers(trainer: Trainer) -> dict[str, torch.optim.Optimizer]:
    return {
        "generator_optimizer": trainer.generator_optimizer,
        "discriminator_optimizer": trainer.discriminator_optimizer,
    }


def _scalers(trainer: Trainer) -> dict[str, torch.amp.GradScaler]:
    return {
        "generator_scaler": trainer.generator_scaler,
        "discriminator_scaler": trainer.discriminator_scaler,
    }


def _load_networks(tensors: dict[str, Tensor], networks: dict[str, nn.Module]) -> None:
    for name, network in networks.items():
        prefix = f"{name}."
        if name == "encoder_average" and not any(key.startswith(prefix) for key in tensors):
            # A run of before encoders were averaged: its average starts from the encoder.
            prefix = "encoder."
        network.load_state_dict(
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        )
