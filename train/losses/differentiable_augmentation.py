"""DiffAugment (Zhao et al., NeurIPS 2020, arXiv 2006.10738): what the discriminator sees, augmented.

Real and synthesized pictures pass the same differentiable changes, in the generator's step as well, so that a
discriminator cannot learn few pictures by heart and a generator does not learn the changes. Layouts move with
their pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LARGEST_SHIFT = 1 / 8
CUTOUT = 1 / 2
"""Share of height and width, as in the paper."""


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of one step's pictures; float32 ``[N]``, places ``[N, 2]``, all in [0, 1)."""

    kinds: tuple[str, ...]
    brightness: NDArray[np.float32]
    saturation: NDArray[np.float32]
    contrast: NDArray[np.float32]
    shift: NDArray[np.float32]
    hole: NDArray[np.float32]

    @staticmethod
    def draw(kinds: tuple[str, ...], seed: int, step: int, count: int) -> Augmentation:
        """A function of seed and step, so that a resumed run draws the same."""
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step, 2)))
        color = random.random((3, count), np.float32)
        return Augmentation(kinds, *color, *random.random((2, count, 2), np.float32))

    def part(self, start: int, count: int) -> Augmentation:
        """The part for pictures ``start`` to ``start + count`` of a common batch."""
        window = slice(start, start + count)
        return Augmentation(
            self.kinds,
            *(
                values[window]
                for values in (self.brightness, self.saturation, self.contrast, self.shift, self.hole)
            ),
        )

    def images(self, images: Tensor) -> Tensor:
        """Pictures ``[N, 3, H, W]`` in [-1, 1], changed."""
        return self.maps(self._colored(images) if "color" in self.kinds else images)

    def maps(self, maps: Tensor) -> Tensor:
        """Maps of the pictures, ``[N, C, H, W]``, moved and cut alike; 0 where nothing is left."""
        if "translation" in self.kinds:
            maps = self._shifted(maps)
        if "cutout" in self.kinds:
            maps = self._cut(maps)
        return maps

    def _colored(self, images: Tensor) -> Tensor:
        brightness, saturation, contrast = (
            torch.from_numpy(np.ascontiguousarray(values)).to(images.device)[:, None, None, None]
            for values in (self.brightness, self.saturation, self.contrast)
        )
        x = images + (brightness - 0.5)
        gray = x.mean(1, keepdim=True)
        x = (x - gray) * (saturation * 2) + gray
        mean = x.mean((1, 2, 3), keepdim=True)
        return (x - mean) * (contrast + 0.5) + mean

    def _shifted(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[2:]
        reach = (round(height * LARGEST_SHIFT), round(width * LARGEST_SHIFT))
        padded = F.pad(maps, (reach[1], reach[1], reach[0], reach[0]))
        moved = []
        for sample, (down, right) in zip(padded, self.shift, strict=True):
            top, left = int(down * (2 * reach[0] + 1)), int(right * (2 * reach[1] + 1))
            moved.append(sample[:, top : top + height, left : left + width])
        return torch.stack(moved)

    def _cut(self, maps: Tensor) -> Tensor:
        height, width = maps.shape[2:]
        tall, wide = round(height * CUTOUT), round(width * CUTOUT)
        mask = torch.ones(len(maps), 1, height, width, device=maps.device, dtype=maps.dtype)
        for sample, (down, right) in zip(mask, self.hole, strict=True):
            # The hole's middle is anywhere in the picture, so part of it may lie outside.
            top, left = int(down * (height + 1)) - tall // 2, int(right * (width + 1)) - wide // 2
            sample[:, max(top, 0) : max(top + tall, 0), max(left, 0) : max(left + wide, 0)] = 0
        return maps * mask
