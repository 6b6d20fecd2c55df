"""Choice of the graph that belongs to a generator."""

from __future__ import annotations

from layoutrt.architectures import architecture, named_class
from layoutrt.errors import LayoutRTError
from layoutrt.export.graphs.base import GeneratorPipeline
from layoutrt.layouts import LabelSet
from layoutrt.train.networks.registry import AnyGenerator


def inference_pipeline(generator: AnyGenerator, label_set: LabelSet) -> GeneratorPipeline:
    """The pipeline of a generator in evaluation mode.

    Raises:
        LayoutRTError: the generator's class is not that of its architecture.
    """
    entry = architecture(generator.config.architecture)
    if not isinstance(generator, named_class(entry.network)):
        raise LayoutRTError(
            f"{type(generator).__name__} is not the network of the architecture '{entry.name}' and has no "
            "graph; register it in layoutrt/architectures.py"
        )
    pipeline: GeneratorPipeline = named_class(entry.graph)(generator, label_set)
    return pipeline
