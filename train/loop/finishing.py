"""Sample sheets of a trained generator, and its norms measured for inference."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor

from layoutrt.train.datasets.sample import Sample
from layoutrt.train.loop.averaging import refresh_statistics
from layoutrt.train.loop.trainer import Trainer
from layoutrt.train.networks.image_encoder import sample_latent
from layoutrt.train.networks.registry import AnyGenerator

DRAWN_STYLES = 3
"""Styles of a sample sheet, besides the encoded one and z = 0."""


@torch.no_grad()
def sample_images(trainer: Trainer, batch: Sample) -> list[Tensor]:
    """Images of the averaged generator, float32 ``[N, 3, H, W]`` in [-1, 1], on the CPU.

    Args:
        trainer: trainer of the generator.
        batch: layouts, and the pictures whose styles are encoded.

    Returns:
        With a latent those of the encoded styles, of z = 0 and of a few z that are the same for every layout;
        without one the only ones.
    """
    batch = Sample(*(part.to(trainer.device) for part in batch))
    generator, encoder = trainer.inference_generator(), trainer.inference_encoder()
    semantics = trainer.semantics(batch.labels, batch.instances)
    if encoder is None:
        return [generator(semantics, None).cpu()]
    noise = torch.Generator().manual_seed(trainer.config.seed)
    drawn = torch.randn(DRAWN_STYLES, trainer.config.latent, generator=noise).to(trainer.device)
    count = len(semantics)
    styles = [encoder(batch.image)[0], torch.zeros_like(drawn[:1]).expand(count, -1)]
    styles += [z.expand(count, -1) for z in drawn]
    return [generator(semantics, z).cpu() for z in styles]


@torch.no_grad()
def finished_generator(trainer: Trainer, batches: Iterable[Sample]) -> AnyGenerator:
    """A copy of the inference generator with its norms measured on whole pictures.

    With a latent, half of every batch has styles that the encoder draws, as in training, and half has styles
    from the prior, as at use.

    Args:
        trainer: whose generator it is.
        batches: whose layouts have the size that the generator is made for.
    """
    generator, encoder = copy.deepcopy(trainer.inference_generator()), trainer.inference_encoder()
    noise = torch.Generator().manual_seed(trainer.config.seed)

    def synthesize(batch: Sample) -> None:
        batch = Sample(*(part.to(trainer.device) for part in batch))
        z = None
        if encoder is not None:
            drawn = torch.randn(len(batch.labels), trainer.config.latent, generator=noise).to(trainer.device)
            mean, log_variance = encoder(batch.image)
            encoded = sample_latent(mean, log_variance, drawn)
            alternating = torch.arange(len(drawn), device=trainer.device)[:, None] % 2 == 0
            z = torch.where(alternating, encoded, drawn)
        generator(trainer.semantics(batch.labels, batch.instances), z)

    refresh_statistics(generator, batches, synthesize)
    return generator
