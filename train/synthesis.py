"""Synthesis of images from a batch, with all that the generator's optimizer trains in one module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from layoutrt.train.networks.image_encoder import ImageEncoder, sample_latent
from layoutrt.train.networks.registry import AnyGenerator


class Synthesized(NamedTuple):
    """Results of `Synthesis`."""

    image: Tensor
    """``[N, 3, H, W]`` in [-1, 1]."""
    z: Tensor | None
    """``[N, latent]``, where there is a latent."""
    posterior: tuple[Tensor, Tensor] | None
    """Mean and log-variance that ``z`` was drawn from."""
    features: dict[str, Tensor]
    """The generator's intermediate features, adapted to the teacher's, by stride."""


class Synthesis(nn.Module):
    """Encoder, generator and the adapters of distillation; one module, so that processes share one exchange.

    Args:
        generator: generator to train.
        encoder: encoder of the posterior of ``z``, where the generator has a latent.
        adapters: by stride; each maps that feature of the generator to the teacher's channels.
    """

    def __init__(
        self, generator: AnyGenerator, encoder: ImageEncoder | None, adapters: nn.ModuleDict | None
    ) -> None:
        super().__init__()
        self.generator = generator
        self.encoder = encoder
        self.adapters = adapters

    def forward(self, images: Tensor, semantics: Tensor, noise: Tensor | None) -> Synthesized:
        """Synthesize images of a batch.

        Args:
            images: float32 ``[N, 3, H, W]``, which the encoder sees.
            semantics: float32 ``[N, S, H, W]``.
            noise: standard normal ``[N, latent]``, where there is a latent.
        """
        z, posterior = None, None
        if self.encoder is not None and noise is not None:
            mu, logvar = posterior = self.encoder(images)
            z = sample_latent(mu, logvar, noise)
        if self.adapters is None:
            return Synthesized(self.generator(semantics, z).float(), z, posterior, {})
        with captured(self.generator, tuple(self.adapters)) as features:
            image = self.generator(semantics, z)
        adapted = {stride: self.adapters[stride](feature) for stride, feature in features.items()}
        return Synthesized(image.float(), z, posterior, adapted)


@contextmanager
def captured(generator: AnyGenerator, strides: tuple[str, ...]) -> Iterator[dict[str, Tensor]]:
    """The outputs of the generator's distillation points at ``strides``, once it has run inside."""
    features: dict[str, Tensor] = {}
    points = generator.distillation_points()

    def keep(stride: str, output: Tensor) -> None:
        features[stride] = output

    handles = [
        points[stride].register_forward_hook(lambda _, __, output, stride=stride: keep(stride, output))
        for stride in strides
    ]
    try:
        yield features
    finally:
        for handle in handles:
            handle.remove()


def step_noise(seed: int, step: int, count: int, length: int, again: bool = False) -> Tensor:
    """Standard normal noise of one step, float32 ``[count, length]``.

    A function of seed and step, so that a resumed run sees the same; the processes of a run draw all of their
    common batch and take their part. ``again`` is another draw for the same step.
    """
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step, 1) if again else (step,)))
    return torch.from_numpy(random.standard_normal((count, length), np.float32))
