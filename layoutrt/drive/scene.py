"""The scene before the camera in one frame: the ground, the skyline, the street and its traffic."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from layoutrt.drive import street
from layoutrt.drive.noise import SmoothNoise, stream
from layoutrt.drive.render import FAR, NEAR, Bend, Camera, Polygon
from layoutrt.drive.shapes import BUILDING, PAVEMENT, ROAD, TREE, VOID, Geometry

FRAME_RATE = 25.0
"""Frames per second at which the drive moves as a car does in town."""

SPEED = 8.0
"""Speed of the camera, in m/s."""

EPISODE = 90.0
"""Seconds from one car ahead to the next: enough for it never to back up towards the camera."""

_COLUMN = 0.035  # radians between two vertices of the skyline
_KERB_DISTANCES = np.concatenate([np.linspace(NEAR, 12.0, 12), np.geomspace(14.0, FAR + 60.0, 16)])
_EPOCH = 200.0  # meters in which the skyline becomes another


def standing_and_moving(seed: int, position: float, time: float) -> Geometry:
    """Everything between the camera at s = ``position`` and ``FAR``; s becomes the distance ahead."""
    parts = []
    for name, speed in street.STREAMS.items():
        origin = position - speed * time  # the camera's place in the coordinates that move with the stream
        first, last = (math.floor((origin + z) / street.BLOCK) for z in (NEAR, FAR))
        # A house or a car of the block before may reach into this one.
        stretch = _stretch(seed, name, first - 1, last)
        parts.append(stretch.shifted(-origin).between(NEAR, FAR))
    ahead = street.leading_car(seed, math.floor(time / EPISODE))
    if ahead is not None:
        geometry, closest = ahead
        phase = 2 * (time / EPISODE % 1) - 1
        parts.append(geometry.shifted(closest + (FAR - closest) * phase * phase))
    return Geometry.join(parts)


@lru_cache(maxsize=32)
def _stretch(seed: int, name: str, first: int, last: int) -> Geometry:
    return Geometry.join([street.block(seed, name, index) for index in range(first, last + 1)])


def ground(seed: int, camera: Camera, bend: Bend, position: float) -> list[Polygon]:
    """The plain below the horizon, and the road on it."""
    z = _KERB_DISTANCES
    left, right = (
        side * (street.KERB[side] + 0.12 * _kerb_noise(seed, side).at(position + z)) for side in (-1, 1)
    )
    edges = np.stack(
        [np.concatenate([z, z[::-1]]), np.concatenate([left, right[::-1]]), np.zeros(2 * len(z))]
    )
    road = camera.project(edges.T, bend)
    top = int(camera.horizon * 8)
    bottom, side = camera.height * 8, camera.width * 8
    plain = np.array([[-8, top], [side, top], [side, bottom], [-8, bottom]], np.int32)
    return [Polygon(PAVEMENT, plain, True), Polygon(ROAD, road, False)]


def skyline(seed: int, camera: Camera, position: float, heading: float) -> list[Polygon]:
    """The end of the road: distant roofs and trees above a band of clutter."""
    reach = camera.width / 2 / camera.focal
    first = math.floor((heading - reach) / _COLUMN) - 1
    last = math.ceil((heading + reach) / _COLUMN) + 1
    epoch, blend = divmod(position / _EPOCH, 1.0)
    polygons = []
    for label, kind in ((BUILDING, "roofs"), (TREE, "trees"), (VOID, "clutter")):
        top = []
        for column in range(first, last + 1):
            here = _skyline_height(seed, kind, column, int(epoch))
            rise = here + (_skyline_height(seed, kind, column, int(epoch) + 1) - here) * blend
            x = camera.width / 2 + camera.focal * (column * _COLUMN - heading)
            top.append((x, camera.horizon - rise * camera.focal))
            if label == BUILDING:  # flat roofs: steps instead of slopes
                top.append((x + camera.focal * _COLUMN * 0.98, camera.horizon - rise * camera.focal))
        base = camera.horizon + 0.006 * camera.focal
        outline = np.array([*top, (top[-1][0], base), (top[0][0], base)])
        polygons.append(Polygon(label, np.rint(outline * 8).astype(np.int32), False))
    return polygons


@lru_cache(maxsize=8)
def _kerb_noise(seed: int, side: int) -> SmoothNoise:
    return SmoothNoise(3.0, seed, "kerb", side)


@lru_cache(maxsize=4096)
def _skyline_height(seed: int, kind: str, column: int, epoch: int) -> float:
    """Height of the skyline at a column, in focal lengths; below zero where there is none of the kind."""
    low, high = {"roofs": (-0.04, 0.07), "trees": (-0.05, 0.08), "clutter": (0.004, 0.02)}[kind]
    return stream(seed, kind, column, epoch).uniform(low, high)
