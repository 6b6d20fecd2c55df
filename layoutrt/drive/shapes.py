"""The things of a street as flat and convex shapes in road coordinates.

A point is (s, u, y) in meters: s along the road, u to the right of the camera's path, y above the ground.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, VOID = range(12)

Point = tuple[float, float, float]

# Rounded, because the last bit of a cosine differs between platforms.
_CIRCLE = [
    [(round(math.cos(2 * math.pi * k / n), 6), round(math.sin(2 * math.pi * k / n), 6)) for k in range(n)]
    for n in range(37)
]


@dataclass(frozen=True)
class Shape:
    """A polygon, or the convex hull of a solid's corners as the camera sees it.

    ``depth`` is the s by which shapes are ordered: what lies farther is drawn first.
    """

    label: int
    points: Sequence[Point]
    depth: float
    hull: bool = False


@dataclass(frozen=True)
class Geometry:
    """Shapes packed into arrays: points float64 [P,3]; the others one entry per shape."""

    points: NDArray[np.float64]
    counts: NDArray[np.int64]
    labels: NDArray[np.int64]
    depths: NDArray[np.float64]
    hulls: NDArray[np.bool_]

    @classmethod
    def pack(cls, shapes: Sequence[Shape]) -> Geometry:
        """Pack shapes in order."""
        return cls(
            np.array([p for shape in shapes for p in shape.points], np.float64).reshape(-1, 3),
            np.array([len(shape.points) for shape in shapes], np.int64),
            np.array([shape.label for shape in shapes], np.int64),
            np.array([shape.depth for shape in shapes], np.float64),
            np.array([shape.hull for shape in shapes], np.bool_),
        )

    @classmethod
    def join(cls, parts: Sequence[Geometry]) -> Geometry:
        """Join geometries in order."""
        return cls(
            np.concatenate([p.points for p in parts]),
            np.concatenate([p.counts for p in parts]),
            np.concatenate([p.labels for p in parts]),
            np.concatenate([p.depths for p in parts]),
            np.concatenate([p.hulls for p in parts]),
        )

    def between(self, near: float, far: float) -> Geometry:
        """The shapes of which some part lies between two values of s."""
        s = self.points[:, 0]
        starts = np.cumsum(self.counts) - self.counts
        if len(starts) == 0:
            return self
        keep = (np.maximum.reduceat(s, starts) > near) & (np.minimum.reduceat(s, starts) < far)
        return Geometry(
            self.points[np.repeat(keep, self.counts)],
            self.counts[keep],
            self.labels[keep],
            self.depths[keep],
            self.hulls[keep],
        )

    def shifted(self, s: float) -> Geometry:
        """The same shapes, ``s`` meters farther along the road."""
        return Geometry(
            self.points + np.array([s, 0.0, 0.0]), self.counts, self.labels, self.depths + s, self.hulls
        )


def box(label: int, s: tuple[float, float], u: tuple[float, float], y: tuple[float, float]) -> Shape:
    """A cuboid."""
    return Shape(label, [(a, b, c) for a in s for b in u for c in y], s[1], hull=True)


def house(s: tuple[float, float], u: float, side: int, height: float, roof: float, depth: float) -> Shape:
    """A house with its front at ``u`` and its ridge along the road; ``side`` is -1 (left) or 1."""
    near, far = s
    middle, back = u + side * depth / 2, u + side * depth
    eaves = [(a, b, c) for a in s for b in (u, back) for c in (0.0, height)]
    return Shape(
        BUILDING, [*eaves, (near, middle, height + roof), (far, middle, height + roof)], far, hull=True
    )


def strip(
    rng: Random, label: int, s: tuple[float, float], u: float, height: float, rough: float, base: float = 0.0
) -> Shape:
    """A fence, wall or hedge along the road, whose top edge wanders by ``rough`` meters."""
    steps = max(2, int((s[1] - s[0]) / 1.2)) if rough > 0 else 1
    along = [s[0] + (s[1] - s[0]) * k / steps for k in range(steps + 1)]
    top = [(a, u, height + rough * rng.uniform(-1, 1)) for a in reversed(along)]
    return Shape(label, [(s[0], u, base), (s[1], u, base), *top], s[1])


def ground(label: int, s: tuple[float, float], u: tuple[float, float], depth: float) -> Shape:
    """A patch of ground."""
    return Shape(label, [(s[0], u[0], 0.0), (s[1], u[0], 0.0), (s[1], u[1], 0.0), (s[0], u[1], 0.0)], depth)


def blob(
    rng: Random, label: int, s: float, u: float, y: float, radius: tuple[float, float], rough: float
) -> Shape:
    """A disc across the road with an irregular outline, as leaves have."""
    circle = _CIRCLE[28]
    slow = [rng.uniform(-1, 1) for _ in range(7)]
    outline = []
    for k, (cos, sin) in enumerate(circle):
        i, t = divmod(k, 4)
        wave = slow[i] * (1 - t / 4) + slow[(i + 1) % 7] * t / 4
        r = 1 + rough * (wave + rng.uniform(-0.4, 0.4))
        outline.append((s, u + radius[0] * r * cos, y + radius[1] * r * sin))
    return Shape(label, outline, s)


def tree(rng: Random, s: float, u: float, height: float) -> Iterable[Shape]:
    """A trunk and a crown of a few blobs; gaps between the leaves are void, as annotators left them."""
    spread = height * rng.uniform(0.26, 0.36)
    crown = height * 0.62
    yield upright(TREE, s, u, (0.0, crown), 0.035 * height)
    for _ in range(rng.randrange(3, 6)):
        du, dy = rng.uniform(-0.75, 0.75) * spread, rng.uniform(-0.5, 0.5) * spread
        scale = rng.uniform(0.5, 0.85)
        yield blob(rng, TREE, s, u + du, crown + dy, (spread * scale, spread * scale * 1.1), 0.25)
    for _ in range(rng.randrange(7)):
        cos, sin = rng.choice(_CIRCLE[24])
        r, size = rng.uniform(0.9, 1.15) * spread, rng.uniform(0.02, 0.05) * spread
        yield blob(rng, VOID, s, u + r * cos, crown + r * sin, (size, size), 0.5)


def upright(label: int, s: float, u: float, y: tuple[float, float], width: float, top: float = 1.0) -> Shape:
    """A post; ``top`` is its upper width relative to its lower one."""
    half, upper = width / 2, width / 2 * top
    points = [(s, u - half, y[0]), (s, u + half, y[0]), (s, u + upper, y[1]), (s, u - upper, y[1])]
    return Shape(label, points, s)


def lamp_post(s: float, u: float, side: int, height: float) -> Iterable[Shape]:
    """A street lamp whose arm reaches over the road."""
    yield upright(POLE, s, u, (0.0, height), 0.17, top=0.7)
    tip = u - side * 1.5
    arm = [(s, u, height - 0.15), (s, tip, height + 0.2), (s, tip, height + 0.34), (s, u, height)]
    yield Shape(POLE, arm, s)
    head = [(s, tip - 0.3, height + 0.14), (s, tip + 0.3, height + 0.14), (s, tip, height + 0.4)]
    yield Shape(POLE, head, s)


def sign_post(rng: Random, s: float, u: float) -> Iterable[Shape]:
    """A traffic sign on a pole, with or without a plate under it, or a traffic light."""
    top, half = rng.uniform(2.3, 3.4), rng.uniform(0.26, 0.38)
    yield upright(POLE, s, u, (0.0, top), 0.1)
    kind = rng.random()
    if kind < 0.4:
        yield Shape(SIGN, [(s, u + half * cos, top + half * sin) for cos, sin in _CIRCLE[24]], s)
    elif kind < 0.6:
        yield Shape(SIGN, [(s, u - half, top - half), (s, u + half, top - half), (s, u, top + half)], s)
    elif kind < 0.8:
        yield upright(SIGN, s, u, (top - 0.5 * half, top + half), 2.2 * half)
    else:
        yield upright(SIGN, s, u, (top - 1.6 * half, top + half), 1.1 * half)
    if rng.random() < 0.4:
        yield upright(SIGN, s, u, (top - 2.2 * half, top - 1.2 * half), 1.6 * half)


def board(rng: Random, s: float, u: float, y: float) -> Shape:
    """A shop's sign that hangs across the pavement."""
    width, height = rng.uniform(0.4, 0.95), rng.uniform(0.5, 1.1)
    tilt = rng.uniform(-0.08, 0.08)
    points = [(s, u, y), (s, u + width, y + tilt), (s, u + width, y + height + tilt), (s, u, y + height)]
    return Shape(SIGN, points, s)


def car(rng: Random, s: float, u: float) -> Iterable[Shape]:
    """A car, estate or van whose rear is at ``s`` and whose middle is at ``u``: body, cabin and wheels."""
    kind = rng.random()
    length, half, bonnet = rng.uniform(3.7, 4.5), rng.uniform(0.82, 0.9), rng.uniform(0.82, 0.95)
    roof = rng.uniform(1.38, 1.55)
    cabin = (0.02, 0.3, 0.55, 0.72) if kind < 0.6 else (0.12, 0.28, 0.56, 0.75)
    if kind > 0.9:
        length, roof, cabin = length * 1.15, rng.uniform(1.9, 2.3), (0.01, 0.03, 0.7, 0.85)
    for place in (0.17, 0.81):
        for side in (-1, 1):
            wheel = [
                (s + length * place + 0.31 * cos, u + side * across, 0.31 + 0.31 * sin)
                for across in (half, half - 0.2)
                for cos, sin in _CIRCLE[8]
            ]
            yield Shape(CAR, wheel, s, hull=True)
    body = [
        (s + length * along, u + across * half * narrow, y)
        for across in (-1, 1)
        for along, y, narrow in (
            (0.0, 0.3, 0.95),
            (0.0, 0.62, 1.0),
            (0.03, bonnet, 0.92),
            (0.92, bonnet - 0.1, 0.9),
            (1.0, 0.6, 0.95),
            (1.0, 0.28, 0.92),
            (0.5, 0.24, 1.0),
        )
    ]
    yield Shape(CAR, body, s, hull=True)
    low, high = half * 0.92, half * (0.7 if roof < 1.8 else 0.88)
    glass = [
        (s + length * along, u + across * width, y)
        for across in (-1, 1)
        for along, y, width in (
            (cabin[0], bonnet - 0.1, low),
            ((cabin[0] + cabin[1]) / 2, roof - 0.12, high * 1.06),
            (cabin[1], roof, high),
            (cabin[2], roof, high),
            (cabin[3], bonnet - 0.1, low),
        )
    ]
    yield Shape(CAR, glass, s, hull=True)


def pedestrian(rng: Random, s: float, u: float) -> Iterable[Shape]:
    """A person on foot, seen from before or behind."""
    height, width = rng.uniform(1.5, 1.85), rng.uniform(0.85, 1.2)
    stride, lift, bag = rng.uniform(0.03, 0.1), rng.uniform(0.0, 0.04), rng.uniform(0.0, 0.06)
    yield from _figure(
        PEDESTRIAN,
        (s, u),
        (height * width, height),
        [
            (-stride - 0.05, 0.0), (-stride + 0.03, 0.0), (-0.01, 0.42), (stride - 0.02, lift),
            (stride + 0.06, lift), (0.1, 0.48), (0.12 + bag, 0.5), (0.16, 0.62), (0.14, 0.78), (0.05, 0.84),
            (-0.05, 0.84), (-0.14, 0.78), (-0.17, 0.6), (-0.14, 0.46), (-0.1, 0.48),
        ],
    )  # fmt: skip


def cyclist(rng: Random, s: float, u: float) -> Iterable[Shape]:
    """A person on a bicycle, seen from behind."""
    height = rng.uniform(1.65, 1.85)
    yield Shape(BICYCLIST, [(s + 0.5, u + 0.035 * a, 0.34 + 0.34 * b) for a, b in _CIRCLE[8]], s)
    yield from _figure(
        BICYCLIST,
        (s, u),
        (height, height),
        [
            (-0.03, 0.06), (0.03, 0.06), (0.05, 0.2), (0.09, 0.18), (0.11, 0.4), (0.1, 0.52), (0.16, 0.6),
            (0.15, 0.74), (0.1, 0.83), (-0.1, 0.83), (-0.15, 0.74), (-0.17, 0.58), (-0.1, 0.5), (-0.11, 0.28),
            (-0.05, 0.26),
        ],
    )  # fmt: skip


def bicycle(s: float, u: float) -> Iterable[Shape]:
    """A parked bicycle, across the pavement."""
    for du in (-0.5, 0.5):
        yield Shape(BICYCLIST, [(s, u + du + 0.33 * cos, 0.33 + 0.33 * sin) for cos, sin in _CIRCLE[10]], s)
    frame = [
        (s, u - 0.5, 0.3),
        (s, u + 0.5, 0.3),
        (s, u + 0.38, 1.0),
        (s, u + 0.28, 0.95),
        (s, u - 0.25, 0.92),
    ]
    yield Shape(BICYCLIST, frame, s)


def _figure(
    label: int, at: tuple[float, float], scale: tuple[float, float], outline: Sequence[tuple[float, float]]
) -> Iterable[Shape]:
    s, u = at
    yield Shape(label, [(s, u + x * scale[0], y * scale[1]) for x, y in outline], s)
    head = [(s, u + 0.06 * scale[1] * cos, (0.92 + 0.078 * sin) * scale[1]) for cos, sin in _CIRCLE[10]]
    yield Shape(label, head, s)
