"""Gradient checkpointing (Chen et al., arXiv 1604.06174): less memory, for a second forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.networks.spectral_norm import SpectralNormConv2d


def recompute_blocks(generator: AnyGenerator) -> None:
    """Keep only the inputs of the generator's blocks; backward computes the rest of a block again.

    Losses, gradients and buffers are those without it.
    """
    for block in generator.blocks():
        contexts = partial(_contexts, block)
        # An attribute of the instance hides the method; the state dict's names stay as they are.
        block.forward = partial(  # type: ignore[method-assign]
            checkpoint, block.forward, use_reentrant=False, context_fn=contexts
        )


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _frozen_buffers(block)


@contextmanager
def _frozen_buffers(block: nn.Module) -> Iterator[None]:
    """Running statistics and singular vectors stay as the first pass left them; batch statistics are used."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    convs = [module for module in block.modules() if isinstance(module, SpectralNormConv2d)]
    momenta = [norm.momentum for norm in norms]
    counts = [cast(Tensor, norm.num_batches_tracked).clone() for norm in norms]
    trained = [conv.training for conv in convs]
    try:
        for norm in norms:
            # Not without statistics: both passes must save the same tensors.
            norm.momentum = 0.0
        for conv in convs:
            conv.training = False
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum = momentum
            cast(Tensor, norm.num_batches_tracked).copy_(count)
        for conv, training in zip(convs, trained, strict=True):
            conv.training = training
