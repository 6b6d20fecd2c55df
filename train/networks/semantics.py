"""Semantic tensor of label and instance maps that the published networks read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def instance_edges(instances: Tensor) -> Tensor:
    """1 where a pixel's instance id differs from any of its 4 neighbors.

    Args:
        instances: integer ``[N, H, W]``.

    Returns:
        float32 ``[N, 1, H, W]``.
    """
    vertical = (instances[:, 1:] != instances[:, :-1]).float()
    horizontal = (instances[:, :, 1:] != instances[:, :, :-1]).float()
    edges = torch.maximum(F.pad(vertical, (0, 0, 1, 0)), F.pad(vertical, (0, 0, 0, 1)))
    edges = torch.maximum(edges, F.pad(horizontal, (1, 0)))
    return torch.maximum(edges, F.pad(horizontal, (0, 1))).unsqueeze(1)


def semantic_tensor(labels: Tensor, num_classes: int, instances: Tensor | None = None) -> Tensor:
    """One-hot labels, then the instance edges where there are instances.

    Args:
        labels: uint8 ``[N, H, W]``; a label >= ``num_classes`` gives a pixel of zeros.
        num_classes: one-hot channels, "don't care" included.
        instances: integer ``[N, H, W]`` or None.

    Returns:
        float32 ``[N, num_classes (+1), H, W]``.
    """
    n, height, width = labels.shape
    index = labels.long().clamp(max=num_classes).unsqueeze(1)
    one_hot = torch.zeros(n, num_classes + 1, height, width, device=labels.device)
    one_hot = one_hot.scatter_(1, index, 1.0)[:, :num_classes]
    return one_hot if instances is None else torch.cat([one_hot, instance_edges(instances)], 1)


def resize_nearest(semantics: Tensor, size: tuple[int, int]) -> Tensor:
    """Nearest-resize ``[N, S, H, W]`` to ``size`` (height, width)."""
    return semantics if semantics.shape[2:] == size else F.interpolate(semantics, size=size, mode="nearest")
