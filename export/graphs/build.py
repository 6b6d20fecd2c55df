"""Choice of the graph that belongs to a generator."""

from __future__ import annotations

from layoutrt.export.graphs.base import GeneratorPipeline
from layoutrt.export.graphs.cc_fpse import CcFpsePipeline
from layoutrt.export.graphs.edge import EdgePipeline
from layoutrt.export.graphs.spade import SpadePipeline
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.edge_generator import EdgeGenerator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.registry import AnyGenerator


def inference_pipeline(generator: AnyGenerator, label_set: LabelSet) -> GeneratorPipeline:
    """The pipeline of a generator in evaluation mode."""
    if isinstance(generator, Generator):
        return CcFpsePipeline(generator, label_set)
    if isinstance(generator, EdgeGenerator):
        return EdgePipeline(generator, label_set)
    return SpadePipeline(generator, label_set)
