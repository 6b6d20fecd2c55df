"""The generator architectures: their names, their classes and what is fixed in their configurations.

A new architecture is three files: its network in ``train/networks/``, its graph in ``export/graphs/``, and
its entry in `ARCHITECTURES`. Classes are named, not imported: a device without torch reads the names alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from layoutrt.errors import LayoutRTError


@dataclass(frozen=True)
class Architecture:
    """One kind of generator.

    Attributes:
        name: as ``--architecture`` and the files' metadata say it.
        network: ``module:class`` of its `layoutrt.train.networks.registry.AnyGenerator`.
        graph: ``module:class`` of its `layoutrt.export.graphs.base.GeneratorPipeline`.
        fixed: fields of `layoutrt.train.networks.generator_config.GeneratorConfig` with one possible value.
        latent_fixes_size: a generator with a latent makes the size that it was trained at and no other.
    """

    name: str
    network: str
    graph: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    latent_fixes_size: bool = False


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "cc-fpse",
            network="layoutrt.train.networks.generator:Generator",
            graph="layoutrt.export.graphs.cc_fpse:CcFpsePipeline",
            fixed={"upsampling": "nearest"},
            latent_fixes_size=True,
        ),
        Architecture(
            "edge",
            network="layoutrt.train.networks.edge_generator:EdgeGenerator",
            graph="layoutrt.export.graphs.edge:EdgePipeline",
            fixed={"predictor_kernel": 1, "pyramid_levels": 6},
        ),
        Architecture(
            "spade",
            network="layoutrt.train.networks.spade_generator:SpadeGenerator",
            graph="layoutrt.export.graphs.spade:SpadePipeline",
            fixed={"predictor_kernel": 1, "pyramid_levels": 6, "latent": 0, "upsampling": "nearest"},
        ),
    )
}
"""Every architecture by its name: the paper's; ours for small budgets; the baseline without conditional
convolutions (Park et al., arXiv 1903.07291)."""


SEGMENTER_MULTIPLE = 16
"""Heights and widths of a segmenter must be divisible by it."""


def architecture(name: str) -> Architecture:
    """Look up an architecture.

    Raises:
        LayoutRTError: there is none of this name.
    """
    if name not in ARCHITECTURES:
        raise LayoutRTError(
            f"the generator architecture '{name}' is not known; choose {architecture_names()}, or upgrade "
            "layoutrt for a file of a newer version"
        )
    return ARCHITECTURES[name]


def architecture_names() -> str:
    """The names as a sentence lists them: ``"cc-fpse, edge or spade"``."""
    *names, last = ARCHITECTURES
    return f"{', '.join(names)} or {last}"


def size_multiple(pyramid_levels: int) -> int:
    """Number that heights and widths are divisible by: the label pyramid halves them level by level."""
    return 2 ** (pyramid_levels - 1)


def named_class(reference: str) -> Any:
    """The class that ``module:class`` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
