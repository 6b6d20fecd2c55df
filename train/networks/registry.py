"""Generators of every architecture behind one base class, built from their configuration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from layoutrt.architectures import architecture, named_class
from layoutrt.train.networks.generator_config import GeneratorConfig


class AnyGenerator(nn.Module, ABC):
    """A generator that is trained, distilled and exported, whatever its architecture.

    Attributes:
        config: the configuration that it was built from.
    """

    config: GeneratorConfig

    @abstractmethod
    def forward(self, semantics: Tensor, z: Tensor | None = None) -> Tensor:
        """Synthesize images.

        Args:
            semantics: float ``[N, S, H, W]`` from `layoutrt.train.networks.semantics.semantic_tensor`.
            z: float ``[N, latent]`` where the generator has a latent, else None.

        Returns:
            float ``[N, 3, H, W]`` in [-1, 1].
        """

    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """Modules whose activations backward may compute again to save memory; none contains another."""

    @abstractmethod
    def distillation_points(self) -> dict[str, nn.Module]:
        """Modules whose outputs a student may imitate, by stride: ``"8"`` is 1/8 of the image's size."""


def build_generator(config: GeneratorConfig) -> AnyGenerator:
    """The generator of ``config.architecture``, with fresh weights."""
    generator: AnyGenerator = named_class(architecture(config.architecture).network)(config)
    return generator
