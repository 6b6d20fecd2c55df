"""`layoutrt.operators.channel_softsign` in torch, for inference: its custom op has no gradient."""

from __future__ import annotations

import torch
from torch import Tensor


def reference(x: Tensor, scale: Tensor) -> Tensor:
    """One operation after the other; the oracle of tests.

    Args:
        x: ``[N, C, H, W]``.
        scale: ``[C]``, at least 0.

    Returns:
        ``[N, C, H, W]``.
    """
    return x / (1 + scale[:, None, None] * x.abs())


@torch.library.custom_op("layoutrt::channel_softsign", mutates_args=())
def channel_softsign(x: Tensor, scale: Tensor) -> Tensor:
    """The operator in torch, made for export; arguments and result are those of `reference`."""
    return reference(x, scale)


@channel_softsign.register_fake
def _(x: Tensor, scale: Tensor) -> Tensor:
    return torch.empty_like(x)
