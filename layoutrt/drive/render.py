"""A pinhole camera that draws road geometry as a label map, far to near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from layoutrt.drive.shapes import Geometry

NEAR = 1.0
FAR = 170.0
"""Distances in meters between which things are drawn."""

_RISING = 40.0  # meters before FAR over which things grow to their height

_FRACTION_BITS = 3  # sub-pixel positions of OpenCV's polygon filling, so that things move smoothly

_SMALLEST = 2 << _FRACTION_BITS
"""Length in fixed point below which a shape is left out: two pixels."""


class Bend(NamedTuple):
    """The bend of the road ahead: ``aside`` meters at each of ``distances``, float64 [N]."""

    distances: NDArray[np.float64]
    aside: NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A camera that looks along the road.

    Attributes:
        height: height of the image in pixels.
        width: width of the image in pixels.
        focal: focal length in pixels; pixels are square, so a wider image sees more to the sides.
        horizon: image row of the horizon in pixels.
        above_ground: height above the ground, in meters.
    """

    height: int
    width: int
    focal: float
    horizon: float
    above_ground: float = 1.45

    def project(self, points: NDArray[np.float64], bend: Bend) -> NDArray[np.int32]:
        """Project points (distance ahead, u, y) [P,3] to fixed-point pixels (x, y), int32 [P,2].

        A point nearer than ``NEAR`` moves to it along the road, which clips whatever runs along the road
        where it should.
        """
        distance = np.maximum(points[:, 0], NEAR)
        scale = self.focal / distance
        pixels = np.empty((len(points), 2))
        pixels[:, 0] = self.width / 2 + (points[:, 1] + np.interp(distance, *bend)) * scale
        # Far things rise from the ground as they come, so that nothing appears at once.
        rise = np.clip((FAR - distance) / _RISING, 0.0, 1.0)
        pixels[:, 1] = self.horizon - (points[:, 2] * rise - self.above_ground) * scale
        limit = 16.0 * max(self.height, self.width)
        pixels = np.clip(pixels, -limit, limit) - 0.5  # pixel centers have integer coordinates in OpenCV
        return np.rint(pixels * (1 << _FRACTION_BITS)).astype(np.int32)


class Polygon(NamedTuple):
    """A polygon in fixed-point pixels, int32 [P,2]; convex if ``convex``."""

    label: int
    points: NDArray[np.int32]
    convex: bool


def visible_polygons(camera: Camera, geometry: Geometry, bend: Bend) -> list[Polygon]:
    """Project what the camera sees of ``geometry``, s from NEAR to FAR ahead, farthest first."""
    import cv2  # a third of the time that importing this package would take

    if len(geometry.counts) == 0:
        return []
    ends = np.cumsum(geometry.counts)
    starts = ends - geometry.counts
    pixels = camera.project(geometry.points, bend)
    low = np.minimum.reduceat(pixels, starts, axis=0)
    high = np.maximum.reduceat(pixels, starts, axis=0)
    corner = np.array([camera.width, camera.height]) << _FRACTION_BITS
    keep = ((low < corner) & (high >= 0)).all(axis=1) & ((high - low).max(axis=1) >= _SMALLEST)
    chosen = np.flatnonzero(keep)
    chosen = chosen[np.argsort(-geometry.depths[chosen], kind="stable")]
    polygons = []
    for start, end, label, hull in zip(
        starts[chosen].tolist(),
        ends[chosen].tolist(),
        geometry.labels[chosen].tolist(),
        geometry.hulls[chosen].tolist(),
        strict=True,
    ):
        outline = pixels[start:end]
        if hull:
            outline = cv2.convexHull(outline).astype(np.int32, copy=False)
        polygons.append(Polygon(label, outline, hull))
    return polygons


def rasterize(polygons: list[Polygon], layout: NDArray[np.uint8]) -> None:
    """Paint polygons onto ``layout``, uint8 [H,W], in order."""
    import cv2

    for polygon in polygons:
        if polygon.convex:
            cv2.fillConvexPoly(layout, polygon.points, polygon.label, cv2.LINE_8, _FRACTION_BITS)
        else:
            cv2.fillPoly(layout, [polygon.points], polygon.label, cv2.LINE_8, _FRACTION_BITS)
