"""Distance between images that are synthesized from one layout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch.nn.functional as F
from torch import Tensor


def pairwise_distance(features: Sequence[Tensor]) -> float:
    """Mean distance between the samples of one layout, in the manner of LPIPS (arXiv 1801.03924, section 3).

    The distance of two samples: at every position the feature vectors are scaled to unit length, the squares
    of their differences are summed over channels and averaged over positions, and the layers are summed.
    LPIPS weighs channels by what it learned from people's judgments; here all weights are one.

    Args:
        features: features of several layers, each float ``[K, C, H, W]`` for the same K >= 2 samples.
    """
    count = len(features[0])
    total = 0.0
    for layer in features:
        unit = F.normalize(layer, dim=1, eps=1e-10)
        for a, b in combinations(range(count), 2):
            total += float((unit[a] - unit[b]).square().sum(0).mean())
    return total / (count * (count - 1) / 2)
