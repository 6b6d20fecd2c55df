"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


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
