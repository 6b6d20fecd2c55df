"""Random scale, crop and flip, the same for an image and its maps."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.layouts import resize_layout
from layoutrt.layouts.arrays import Integer


class Geometry(NamedTuple):
    """Resize to ``scaled``, cut ``size`` at ``corner``, then mirror; sizes are (height, width) in pixels."""

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    mirrored: bool

    def image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Apply to an image, uint8 ``[H, W, 3]``: by area where it shrinks, else linearly."""
        height, width = self.scaled
        shrinks = height < image.shape[0] or width < image.shape[1]
        by = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return self._cut(np.asarray(cv2.resize(image, (width, height), interpolation=by), np.uint8))

    def map(self, labels: NDArray[Integer]) -> NDArray[Integer]:
        """Apply to class indices or instance ids ``[H, W]``: the nearest, so that no new value appears."""
        return self._cut(resize_layout(labels, self.scaled))

    def _cut(self, array: NDArray[Integer]) -> NDArray[Integer]:
        (top, left), (height, width) = self.corner, self.size
        window = array[top : top + height, left : left + width]
        return np.ascontiguousarray(window[:, ::-1] if self.mirrored else window)


def draw_geometry(
    random: np.random.Generator,
    size: tuple[int, int],
    load_size: tuple[int, int],
    enlarge: tuple[float, float],
    flip: bool,
) -> Geometry:
    """Draw a factor on ``load_size``, the place of a crop of ``size`` and whether it is mirrored."""
    factor = random.uniform(*enlarge)
    scaled = (round(load_size[0] * factor), round(load_size[1] * factor))
    top = int(random.integers(scaled[0] - size[0] + 1))
    left = int(random.integers(scaled[1] - size[1] + 1))
    return Geometry(scaled, (top, left), size, flip and bool(random.random() < 0.5))
