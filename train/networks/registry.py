"""Registry of generators by their configuration."""

from __future__ import annotations

from layoutrt.train.networks.edge_generator import EdgeGenerator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.spade_generator import SpadeGenerator

AnyGenerator = Generator | EdgeGenerator | SpadeGenerator
"""All take ``semantics`` and ``z`` and return an image; all have ``config`` and ``distillation_points``."""


def build_generator(config: GeneratorConfig) -> AnyGenerator:
    """The generator of ``config.architecture``, with fresh weights."""
    networks: dict[str, type[AnyGenerator]] = {
        "cc-fpse": Generator,
        "edge": EdgeGenerator,
        "spade": SpadeGenerator,
    }
    return networks[config.architecture](config)
