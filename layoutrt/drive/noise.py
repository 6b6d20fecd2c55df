"""Random numbers that depend on where they are asked for, not on what was asked before."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray


def stream(*key: int | str) -> Random:
    """Return a generator seeded by ``key``. Its numbers are the same on every platform and Python version."""
    return Random(":".join(map(str, key)))


class SmoothNoise:
    """A smooth random function of one variable: a uniform cubic B-spline with random control values.

    Twice continuously differentiable, within -1..1, and defined for every real argument. Only sums and
    products are used, so that platforms agree (a sine may differ in its last bit).
    """

    def __init__(self, period: float, *key: int | str) -> None:
        self._period = period
        self._key = key
        self._controls: dict[int, float] = {}

    def _control(self, index: int) -> float:
        if index not in self._controls:
            if len(self._controls) > 256:
                self._controls.clear()
            self._controls[index] = stream(*self._key, index).uniform(-1, 1)
        return self._controls[index]

    def at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at ``x``, float64 [N]."""
        return self.with_slope(x)[0]

    def with_slope(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and derivatives at ``x``, float64 [N] each."""
        cell = np.floor(x / self._period)
        t = x / self._period - cell
        first = int(cell.min())
        controls = np.array([self._control(k) for k in range(first, int(cell.max()) + 4)])
        a, b, c, d = controls[(cell - first).astype(np.intp) + np.arange(4)[:, None]]
        r = 1 - t
        value = a * r * r * r + b * (3 * t * t * (t - 2) + 4) + c * (3 * r * r * (r - 2) + 4) + d * t * t * t
        slope = (-a * r * r + b * t * (3 * t - 4) + c * r * (4 - 3 * r) + d * t * t) / (2 * self._period)
        return value / 6, slope
