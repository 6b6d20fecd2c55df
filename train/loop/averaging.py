"""Exponential moving average of a network's weights, and norms that fit it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)
Batch = TypeVar("Batch")


def averaged_copy(network: Network) -> Network:
    """A copy in evaluation mode that `update_average` follows up."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move every floating-point tensor of ``average`` towards ``network`` by ``1 - decay``.

    The singular vectors of spectral norm are copied: an average of unit vectors is not one.
    """
    source = network.state_dict()
    for name, tensor in average.state_dict().items():
        if tensor.is_floating_point() and not name.endswith(("weight_u", "weight_v")):
            tensor.lerp_(source[name], 1 - decay)
        else:
            tensor.copy_(source[name])


@torch.no_grad()
def refresh_statistics(network: Network, batches: Iterable[Batch], call: Callable[[Batch], object]) -> None:
    """Measure the statistics of every batch norm anew, as the plain mean over ``batches``.

    Running statistics lag behind averaged weights, and those of small crops do not fit whole pictures:
    colors shift and blocks appear. (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", arXiv 2105.07576,
    section 3, call this precise batch norm.)

    Args:
        network: left in evaluation mode; only its batch norms change.
        batches: batches to run it on.
        call: runs the network on one of them.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # A cumulative mean.
        norm.train()
    for batch in batches:
        call(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
