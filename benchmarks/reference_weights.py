"""Weights that stand for trained ones: a seeded draw for each tensor that keeps the size of signals."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def rule_state(shapes: Mapping[str, Sequence[int]], salt: int) -> dict[str, Tensor]:
    """Fill a state dict by the rule that the published networks' reference vectors were made with.

    Args:
        shapes: shape of every tensor, by its published name.
        salt: added to the seed of every tensor.

    Returns:
        float32 tensors of these shapes; counters (``num_batches_tracked``) are left out.
    """

    def draw(name: str) -> np.ndarray:
        random = np.random.RandomState((zlib.crc32(name.encode()) + salt) % 2**32)
        return random.standard_normal(tuple(shapes[name])).astype(np.float32)

    state = {}
    for name in sorted(shapes):
        last = name.rsplit(".", 1)[-1]
        if last == "num_batches_tracked":
            continue
        a = draw(name)
        if last == "running_var":
            a = 0.5 + np.abs(a)
        elif last in ("running_mean", "bias"):
            a = np.float32(0.1) * a
        elif a.ndim == 1:
            a = 1 + np.float32(0.1) * a
        else:
            a = a / np.sqrt(np.prod(a.shape[1:]), dtype=np.float32)
        state[name] = a
    for name in [name for name in state if name.endswith(".weight_u")]:
        # One step of the power iteration: what spectral norm divides the weight by.
        stem = name.removesuffix("_u")
        matrix = state[f"{stem}_orig"].reshape(shapes[name][0], -1)
        u0 = draw(name)
        v = matrix.T @ (u0 / np.linalg.norm(u0))
        v /= np.linalg.norm(v)
        u = matrix @ v
        state[name], state[f"{stem}_v"] = u / np.linalg.norm(u), v
    return {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in state.items()}
