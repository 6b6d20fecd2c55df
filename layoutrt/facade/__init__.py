"""An endless row of façades, as label maps: an input for models of buildings, without a camera or data."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from layoutrt.drive.render import Polygon, rasterize
from layoutrt.errors import LayoutRTError
from layoutrt.facade.building import BACKGROUND, PLOT, building
from layoutrt.layouts import LabelSet

FRAMES_PER_BUILDING = 200
"""Frames in which the view moves on by one building: eight seconds at 25 frames/s."""

_FRACTION_BITS = 3  # of a pixel, as `rasterize` reads points


class Facades:
    """Façades seen straight on, with the classes of CMP Facades, passing from right to left.

    ``frame(i)`` is a pure function of the seed, the size and i: frames can be asked for in any order. Frame 0
    has a building in its middle, and so has every `FRAMES_PER_BUILDING`-th after it. Iteration gives frames
    0, 1, 2, ... without end.

    Args:
        label_set: that of CMP Facades, ``label_set("facades")``.
        height: height of a frame in pixels, 16 or more.
        width: width of a frame in pixels, 16 or more; wide frames show more buildings.
        seed: another seed is another row of buildings.

    Raises:
        LayoutRTError: the label set is another one, or the size is below 16.

    Example:
        >>> from layoutrt.layouts import label_set
        >>> facades = Facades(label_set("facades"), 256, 256, seed=7)
        >>> facades.frame(0).shape, facades.frame(0).dtype
        ((256, 256), dtype('uint8'))
    """

    def __init__(self, label_set: LabelSet, height: int, width: int, seed: int = 0) -> None:
        if label_set.name != "facades":
            raise LayoutRTError(
                f"the procedural façades have the classes of facades, not of '{label_set.name}'; use facades"
            )
        if min(height, width) < 16:
            raise LayoutRTError(f"façades cannot be drawn at {height}x{width}; use at least 16x16 pixels")
        self.label_set = label_set
        self.height = height
        self.width = width
        self.seed = seed

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Draw frame ``index`` (0 or more): uint8 [H,W], class indices of CMP Facades."""
        layout = np.full((self.height, self.width), BACKGROUND, np.uint8)
        rasterize(self.polygons(index), layout)
        return layout

    def polygons(self, index: int) -> list[Polygon]:
        """Polygons that ``frame`` paints over the background, in order: integers, equal on every platform."""
        if index < 0:
            raise LayoutRTError(f"the façades have no frame {index}; frames count from 0")
        center = PLOT * index / FRAMES_PER_BUILDING
        # A portrait image sees one whole plot, and pavement below it.
        scale = min(self.height, self.width)
        reach = self.width / scale / 2
        first, last = (math.floor((center + side * reach) / PLOT + 0.5) for side in (-1, 1))
        polygons = []
        for number in range(max(first, 0), last + 1):
            for label, x, y, right, bottom in building(self.seed, number):
                corners = np.array([[x, y], [right, y], [right, bottom], [x, bottom]], np.float64)
                corners[:, 0] = (corners[:, 0] + number * PLOT - center) * scale + self.width / 2
                corners[:, 1] *= scale
                # Pixel centers have integer coordinates in OpenCV, which also fills the pixels on the border.
                corners += [[0, 0], [-1, 0], [-1, -1], [0, -1]]
                points = np.rint(corners * (1 << _FRACTION_BITS)).astype(np.int32)
                if (points[2] >= points[0]).all():
                    polygons.append(Polygon(label, points, True))
        return polygons

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        index = 0
        while True:
            yield self.frame(index)
            index += 1
