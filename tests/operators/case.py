"""A node of one operator with its arguments, and what tests make such arguments of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Arguments = dict[str, np.ndarray]

# One pixel, rows, a column, batches, odd sizes, channels that no vector divides, wider than two vectors and
# than a tile, several parts of rows in an image: [N, C, H, W].
SHAPES = [
    (1, 1, 1, 1),
    (1, 1, 1, 9),
    (1, 2, 1, 40),
    (2, 3, 7, 1),
    (2, 5, 6, 8),
    (3, 5, 6, 9),
    (3, 17, 5, 11),
    (1, 2, 3, 70),
    (2, 17, 13, 37),
    (1, 2, 67, 300),
]


@dataclass(frozen=True, eq=False)
class Case:
    """A node of one operator.

    Attributes:
        operator: its name.
        name: what tells the case from the operator's others.
        definition: gives the result in float64 from the arguments in float64, uint8 and int8.
        arguments: float32, uint8 and int8 by the names of the schema's inputs and in their order. An array
            given twice is one tensor with two uses.
        attributes: of the node.
        constants: names of the arguments that are part of the model; the others are its inputs.
        exact: whether every number of the computation is one in float32, so that nothing is rounded.
        cancels: whether terms are so much larger than their sum that only their size bounds the error.
        level: what a rounding error may add to a few results, because it takes an inner number to another of
            its quantized levels.
    """

    operator: str
    name: str
    definition: Callable[..., np.ndarray]
    arguments: Arguments
    attributes: Mapping[str, Any] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    exact: bool = False
    cancels: bool = False
    level: float = 0.0

    def __str__(self) -> str:
        return f"{self.operator} {self.name}"

    @functools.cached_property
    def expected(self) -> np.ndarray:
        """The definition's result in float64."""
        return self.definition(**wide(self.arguments), **self.attributes)

    @functools.cached_property
    def magnitude(self) -> float:
        """The largest sum of the terms' sizes."""
        return float(self.definition(**{name: np.abs(a) for name, a in wide(self.arguments).items()}).max())

    def changed(self, attributes: Mapping[str, Any] | None = None, **arguments: np.ndarray) -> Case:
        """The same node with other arguments and attributes; an attribute that is None is left out."""
        merged = {**self.attributes, **(attributes or {})}
        kept = {name: value for name, value in merged.items() if value is not None}
        return replace(self, arguments=self.arguments | arguments, attributes=kept)


def wide(arguments: Arguments) -> Arguments:
    """Floating-point numbers in float64, all others as they are."""
    return {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in arguments.items()}


def floats(seed: int, *shape: int) -> np.ndarray:
    """Numbers of a normal distribution, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(seed: int, *shape: int) -> np.ndarray:
    """Whole numbers from -3 to 3, float32."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def int8(seed: int, *shape: int) -> np.ndarray:
    """All numbers of int8."""
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def affine(channels: int, present: bool = True) -> Arguments:
    """The folded norm of as many channels, or nothing."""
    return {"scale": floats(5, channels), "shift": floats(6, channels)} if present else {}


def layout(seed: int, n: int, height: int, width: int, labels: int) -> np.ndarray:
    """Regions with a few single pixels, as label maps have them; some labels are unknown."""
    rng = np.random.default_rng(seed)
    if height * width < 400:
        return rng.integers(0, min(labels + 2, 256), (n, height, width)).astype(np.uint8)
    cells = rng.integers(0, labels, (n, height // 9 + 1, width // 13 + 1))
    regions = cells.repeat(9, axis=1).repeat(13, axis=2)[:, :height, :width]
    noise = rng.random(regions.shape)
    regions = np.where(noise < 0.03, rng.integers(0, labels, regions.shape), regions)
    return np.where(noise > 0.99, 255, regions).astype(np.uint8)


def windows(plane: np.ndarray, size: int) -> list[np.ndarray]:
    """``[N, C, H, W]`` seen from each tap of a kernel, row by row; 0 outside."""
    height, width = plane.shape[2:]
    padded = np.pad(plane, ((0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    return [padded[:, :, dy : dy + height, dx : dx + width] for dy in range(size) for dx in range(size)]


def convolution(plane: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """``[N, J, H, W]`` and ``[O, J, p, p]`` -> ``[N, O, H, W]``, padded with zeros."""
    taps = weight.reshape(*weight.shape[:2], -1).transpose(2, 0, 1)
    sums = sum(
        np.einsum("oj,njhw->nohw", tap, window, optimize=True)
        for tap, window in zip(taps, windows(plane, weight.shape[2]), strict=True)
    )
    return sums + bias[:, None, None]
