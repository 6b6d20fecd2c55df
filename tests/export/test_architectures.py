"""Every architecture is registered once, and what is not registered gets no graph."""

from __future__ import annotations

import pytest

from layoutrt.architectures import ARCHITECTURES, Architecture, named_class
from layoutrt.errors import LayoutRTError
from layoutrt.export.graphs.base import GeneratorPipeline
from layoutrt.export.graphs.build import inference_pipeline
from layoutrt.layouts import label_set
from layoutrt.train.networks.edge_generator import EdgeGenerator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import AnyGenerator, build_generator

every_architecture = pytest.mark.parametrize("entry", ARCHITECTURES.values(), ids=ARCHITECTURES)


def tiny(entry: Architecture) -> GeneratorConfig:
    size = {"image_height": 64, "image_width": 64}
    return GeneratorConfig(12, width=4, hidden=4, architecture=entry.name, **size, **entry.fixed)


@every_architecture
def test_an_entry_names_a_network_and_its_graph(entry: Architecture) -> None:
    assert issubclass(named_class(entry.network), AnyGenerator)
    assert issubclass(named_class(entry.graph), GeneratorPipeline)
    generator = build_generator(tiny(entry)).eval()
    assert type(inference_pipeline(generator, label_set("camvid"))) is named_class(entry.graph)


@every_architecture
def test_blocks_to_compute_again_are_modules_of_the_generator_and_hold_no_others(entry: Architecture) -> None:
    generator = build_generator(tiny(entry))
    blocks = list(generator.blocks())
    within = [part for block in blocks for part in block.modules()]
    assert len(blocks) > 1
    assert len(set(within)) == len(within)
    assert set(blocks) < set(generator.modules())


def test_a_generator_of_no_registered_class_gets_no_graph() -> None:
    class Other(EdgeGenerator):
        """Says in its configuration that it is another architecture's network."""

    generator = Other(tiny(ARCHITECTURES["spade"]))
    with pytest.raises(LayoutRTError, match="Other is not the network of the architecture 'spade'"):
        inference_pipeline(generator, label_set("camvid"))
