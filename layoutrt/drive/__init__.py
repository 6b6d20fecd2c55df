"""An endless drive through a street, as label maps: something to watch without a camera and without data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from layoutrt.drive import scene
from layoutrt.drive.noise import SmoothNoise
from layoutrt.drive.render import FAR, NEAR, Bend, Camera, Polygon, rasterize, visible_polygons
from layoutrt.drive.shapes import SKY
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet

_DISTANCES = np.concatenate([np.linspace(NEAR, 10.0, 4), np.linspace(16.0, FAR + 60.0, 24)])

FOCAL = 1.15
"""Focal length in image heights: about 60 degrees across at 4:3, as CamVid's camera."""

HORIZON = 0.53
"""Row of the horizon in image heights, measured on CamVid."""


class Drive:
    """Road scenes in perspective with the classes of CamVid, as seen from a car in left-hand traffic.

    ``frame(i)`` is a pure function of the seed, the size and i: frames can be asked for in any order.
    Iteration gives frames 0, 1, 2, ... without end.

    Args:
        label_set: that of CamVid, ``label_set("camvid")``.
        height: height of a frame in pixels, 16 or more.
        width: width of a frame in pixels, 16 or more.
        seed: another seed is another town.

    Raises:
        LayoutRTError: the label set is another one, or the size is below 16.

    Example:
        >>> from layoutrt.layouts import label_set
        >>> drive = Drive(label_set("camvid"), 192, 256, seed=7)
        >>> drive.frame(0).shape, drive.frame(0).dtype
        ((192, 256), dtype('uint8'))
    """

    def __init__(self, label_set: LabelSet, height: int, width: int, seed: int = 0) -> None:
        if label_set.name != "camvid":
            raise LayoutRTError(f"the drive has the classes of camvid, not of '{label_set.name}'; use camvid")
        if min(height, width) < 16:
            raise LayoutRTError(f"the drive cannot be drawn at {height}x{width}; use at least 16x16 pixels")
        self.label_set = label_set
        self.height = height
        self.width = width
        self.seed = seed
        # Meters aside: a slow bend turns the street, a faster one makes it winding.
        self._bends = [(14.0, SmoothNoise(170.0, seed, "bend")), (2.5, SmoothNoise(60.0, seed, "sway"))]
        self._pitch = SmoothNoise(45.0, seed, "pitch")

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Draw frame ``index`` (0 or more): uint8 [H,W], CamVid class indices."""
        layout = np.full((self.height, self.width), SKY, np.uint8)
        rasterize(self.polygons(index), layout)
        return layout

    def polygons(self, index: int) -> list[Polygon]:
        """Return what ``frame`` paints over the sky, in order: integers, the same on every platform."""
        if index < 0:
            raise LayoutRTError(f"the drive has no frame {index}; frames count from 0")
        time = index / scene.FRAME_RATE
        position = time * scene.SPEED
        # A portrait image sees as wide as 4:3 does, until its lowest row would lie nearer than NEAR.
        focal = FOCAL * min(self.height, max(0.75 * self.width, 0.3 * self.height))
        pitch = float(self._pitch.at(np.array([position]))[0])
        camera = Camera(self.height, self.width, focal, (HORIZON + 0.008 * pitch) * self.height)
        heading, bend = self._bend(position)
        plain, road = scene.ground(self.seed, camera, bend, position)
        return [
            plain,
            *scene.skyline(self.seed, camera, position, heading),
            road,
            *visible_polygons(camera, scene.standing_and_moving(self.seed, position, time), bend),
        ]

    def _bend(self, position: float) -> tuple[float, Bend]:
        """The direction of the road at ``position``, and how it turns from there on."""
        s = position + np.concatenate([[0.0], _DISTANCES])
        aside, slope = np.zeros_like(s), 0.0
        for size, noise in self._bends:
            values, slopes = noise.with_slope(s)
            aside += size * values
            slope += size * float(slopes[0])
        return slope, Bend(_DISTANCES, aside[1:] - aside[0] - slope * _DISTANCES)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        index = 0
        while True:
            yield self.frame(index)
            index += 1
