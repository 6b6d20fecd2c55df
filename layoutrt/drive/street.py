"""Buildings, trees, furniture and traffic along the road, block by block.

Each block of the street, and of each stream of traffic, is a pure function of the seed and its number: any
frame can be drawn without the ones before it. A stream moves at one speed, so its blocks never meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from random import Random

import numpy as np

from layoutrt.drive import shapes
from layoutrt.drive.noise import SmoothNoise, stream
from layoutrt.drive.shapes import Geometry, Shape

BLOCK = 60.0
"""Length of a block in meters."""

KERB = {-1: 2.6, 1: 4.5}
"""Distance from the camera's path to the kerb on the left (-1) and the right (1): left-hand traffic."""

PAVEMENT_WIDTH = 3.5

STREAMS: dict[str, float] = {
    "street": 0.0,
    "oncoming": -7.0,
    "cyclists": 4.2,
    "walking": 1.3,
    "meeting": -1.2,
}
"""Speed along the road in m/s of what stands and of what moves."""


@lru_cache(maxsize=128)
def block(seed: int, name: str, index: int) -> Geometry:
    """Geometry of a stream from s = index * BLOCK to the next block, in coordinates that move with it."""
    if name == "street":
        return Geometry.pack(_street(seed, index))
    return Geometry.pack(list(_TRAFFIC[name](stream(seed, name, index), index * BLOCK)))


def _street(seed: int, index: int) -> list[Shape]:
    """Everything that stands still."""
    found: list[Shape] = []
    for side in (-1, 1):
        rng = stream(seed, "street", side, index)
        start = index * BLOCK
        # Green stretches of several blocks, on each side by itself.
        green = 2.2 * float(SmoothNoise(150.0, seed, "green", side).at(np.array([start]))[0])
        kind = _park if green > 0.85 else _suburb if green > 0.4 else _terrace
        crossing = rng.random() < 0.4
        end = start + BLOCK - (9.0 if crossing else 0.0)
        found += _behind(rng, start, side)
        if crossing:
            found += _side_street(rng, end, start + BLOCK, side)
        found += kind(rng, start, end, side)
        found += _kerbside(rng, start, end, side)
    return found


def _line(side: int) -> float:
    return KERB[side] + PAVEMENT_WIDTH


def _behind(rng: Random, start: float, side: int) -> Iterable[Shape]:
    """The row behind the front one: blocks of buildings and trees farther from the road."""
    place = start
    while place < start + BLOCK:
        length = rng.uniform(12.0, 26.0)
        away = side * (_line(side) + rng.uniform(20.0, 30.0))
        if rng.random() < 0.6:
            yield shapes.house(
                (place, place + length), away, side, rng.uniform(7.0, 15.0), rng.uniform(1.0, 4.0), 14
            )
        else:
            yield shapes.strip(rng, shapes.TREE, (place, place + length), away, rng.uniform(4.0, 9.0), 1.0)
        yield shapes.strip(rng, shapes.VOID, (place, place + length), away - side, rng.uniform(1.5, 3.5), 0.4)
        place += length


def _side_street(rng: Random, start: float, end: float, side: int) -> Iterable[Shape]:
    kerb = side * (KERB[side] - 0.5)
    yield shapes.ground(shapes.ROAD, (start + 1.5, end - 1.5), (kerb, side * 60.0), end + BLOCK)
    post = side * (KERB[side] + 0.5)
    yield from shapes.sign_post(rng, start - 1.0, post)
    if rng.random() < 0.5:
        yield from shapes.sign_post(rng, end + 0.5, post)


_FRONTS = (
    (shapes.VOID, 2.6, 0.1),
    (shapes.VOID, 2.2, 0.1),
    (shapes.VOID, 1.2, 0.9),
    (shapes.VOID, 1.6, 0.9),
    (shapes.FENCE, 1.3, 0.9),
)
"""Label, height, and distance before the house in meters."""


def _terrace(rng: Random, start: float, end: float, side: int) -> Iterable[Shape]:
    """Houses wall to wall at the back of the pavement."""
    place = start
    eaves = rng.uniform(9.0, 15.0)
    while place < end - 3:
        far = min(place + rng.uniform(5.0, 13.0), end)
        if end - far < 3:
            far = end
        if rng.random() < 0.35:
            eaves = rng.uniform(7.0, 17.0)
        front = side * (_line(side) + rng.choice((0.0, 0.0, 0.4, 1.2)))
        roof = rng.choice((0.0, 1.5, 2.4, 3.0))
        yield shapes.house((place, far), front, side, eaves, roof, rng.uniform(7.0, 10.0))
        yield from _roof_top(rng, place, far, front, side, eaves, roof)
        for _ in range(rng.choice((0, 1, 1, 2))):
            hang = front if side < 0 else front - 1.0
            yield shapes.board(rng, rng.uniform(place, far), hang, rng.uniform(2.6, 4.2))
        if rng.random() < 0.75:  # shop fronts, and walls or railings before front gardens
            label, height, out = rng.choice(_FRONTS)
            yield shapes.strip(rng, label, (place + 0.5, far - 0.5), front - side * out, height, 0.05)
        place = far


def _roof_top(
    rng: Random, near: float, far: float, front: float, side: int, eaves: float, roof: float
) -> Iterable[Shape]:
    """Chimneys, dormers and gables, which break the line of the eaves."""
    middle = front + side * 4.0
    for place in (near + 0.4, far - 1.4):
        if rng.random() < 0.55:
            top = eaves + roof + rng.uniform(0.7, 1.5)
            yield shapes.box(
                shapes.BUILDING, (place, place + 1.0), (middle - 0.5, middle + 0.5), (eaves, top)
            )
    if rng.random() < 0.3 and far - near > 5:
        a, b = near + 0.25 * (far - near), near + 0.75 * (far - near)
        gable = [(a, front, eaves), (b, front, eaves), ((a + b) / 2, front, eaves + rng.uniform(1.2, 2.4))]
        yield Shape(shapes.BUILDING, gable, far)


def _suburb(rng: Random, start: float, end: float, side: int) -> Iterable[Shape]:
    """Detached houses behind a fence, a wall or a hedge, with trees in the gardens."""
    line = _line(side)
    yield shapes.ground(shapes.TREE, (start, end), (side * line, side * 60.0), end + BLOCK)
    place = start
    while place < end - 6:
        far = min(place + rng.uniform(9.0, 17.0), end)
        front = side * (line + rng.uniform(2.5, 5.5))
        eaves, roof = rng.uniform(4.8, 6.5), rng.uniform(2.0, 3.5)
        yield shapes.house((place + 1.0, far - 1.5), front, side, eaves, roof, rng.uniform(8.0, 10.0))
        yield from _roof_top(rng, place + 1.0, far - 1.5, front, side, eaves, roof)
        kind = rng.random()
        boundary = (place, far - rng.choice((0.0, 2.5)))
        if kind < 0.5:
            yield shapes.strip(rng, shapes.FENCE, boundary, side * line, rng.uniform(1.0, 1.8), 0.03)
        elif kind < 0.65:
            yield shapes.strip(rng, shapes.TREE, boundary, side * line, rng.uniform(1.2, 2.2), 0.2)
        elif kind < 0.95:
            yield shapes.strip(rng, shapes.VOID, boundary, side * line, rng.uniform(0.9, 1.7), 0.06)
        if rng.random() < 0.5:
            yield from shapes.tree(rng, rng.uniform(place, far), side * (line + 1.8), rng.uniform(4.0, 8.0))
        place = far


def _park(rng: Random, start: float, end: float, side: int) -> Iterable[Shape]:
    """Grass and trees, often behind railings."""
    line = _line(side)
    yield shapes.ground(shapes.TREE, (start, end), (side * (line - 0.4), side * 60.0), end + BLOCK)
    for away in (12.0, 3.0):
        place = start + rng.uniform(0.0, 6.0)
        while place < end:
            yield from shapes.tree(
                rng, place, side * (line + away + rng.uniform(-1.5, 2.5)), rng.uniform(6.0, 12.0)
            )
            place += rng.uniform(5.0, 13.0)
    if rng.random() < 0.6:
        yield shapes.strip(rng, shapes.FENCE, (start, end), side * line, rng.uniform(1.0, 1.7), 0.03)


def _kerbside(rng: Random, start: float, end: float, side: int) -> Iterable[Shape]:
    """Parked cars, lamps, bollards, signs, street trees and people who stand."""
    kerb = KERB[side]
    if rng.random() < 0.45:
        place = start + rng.uniform(0.0, 25.0)
        last = min(end - 5.0, place + rng.uniform(10.0, 45.0))
        while place < last:
            if rng.random() < 0.85:
                yield from shapes.car(rng, place, side * (kerb - 0.4 + rng.uniform(-0.1, 0.1)))
                yield shapes.strip(
                    rng, shapes.VOID, (place + 4.3, place + 5.4), side * (kerb - 0.4), 0.7, 0.1
                )
            place += rng.uniform(5.0, 6.2)
    yield from shapes.lamp_post(
        start + (8.0 if side < 0 else 38.0), side * (kerb + 0.4), side, rng.uniform(6.5, 8.5)
    )
    if rng.random() < 0.3:
        first = start + rng.uniform(0.0, 30.0)
        for k in range(rng.randrange(4, 9)):
            yield shapes.upright(shapes.POLE, first + 2.6 * k, side * (kerb + 0.35), (0.0, 1.0), 0.16)
    for _ in range(rng.randrange(1, 4)):
        yield from shapes.sign_post(rng, rng.uniform(start, end), side * (kerb + rng.uniform(0.3, 0.7)))
    if rng.random() < 0.35:
        for _ in range(rng.randrange(1, 4)):
            yield from shapes.tree(rng, rng.uniform(start, end), side * (kerb + 0.7), rng.uniform(4.5, 8.0))
    for _ in range(rng.randrange(2, 6)):  # bins, boxes and stalls
        place, away, wide = (
            rng.uniform(start, end),
            side * (kerb + rng.uniform(0.5, 2.4)),
            rng.uniform(0.2, 0.5),
        )
        top = rng.uniform(0.8, 1.6)
        yield shapes.box(shapes.VOID, (place, place + 2 * wide), (away - wide, away + wide), (0.0, top))
    if rng.random() < 0.5:
        first = rng.uniform(start, end - 6)
        for k in range(rng.randrange(3, 8)):
            yield from shapes.bicycle(first + 0.6 * k, side * (kerb + PAVEMENT_WIDTH - 0.9))
    for _ in range(rng.choice((0, 0, 1, 2))):
        place, away = rng.uniform(start, end), kerb + rng.uniform(0.8, 2.2)
        for _ in range(rng.randrange(1, 4)):
            yield from shapes.pedestrian(
                rng, place + rng.uniform(-0.8, 0.8), side * (away + rng.uniform(-0.4, 0.4))
            )


def _oncoming(rng: Random, start: float) -> Iterable[Shape]:
    for k in range(2):
        if rng.random() < 0.5:
            yield from shapes.car(
                rng, start + 30.0 * k + rng.uniform(0.0, 22.0), 2.3 + rng.uniform(-0.15, 0.15)
            )


def _cyclists(rng: Random, start: float) -> Iterable[Shape]:
    if rng.random() < 0.5:
        yield from shapes.cyclist(rng, start + rng.uniform(0.0, 58.0), -1.45)


def _walkers(rng: Random, start: float) -> Iterable[Shape]:
    for side in (-1, 1):
        for _ in range(rng.choice((0, 1, 1, 2))):
            place, away = start + rng.uniform(0.0, 58.0), KERB[side] + rng.uniform(0.9, 2.1)
            for _ in range(rng.choice((1, 1, 2))):
                yield from shapes.pedestrian(rng, place + rng.uniform(-0.5, 0.5), side * away)
                away += 0.7


_TRAFFIC: dict[str, Callable[[Random, float], Iterable[Shape]]] = {
    "oncoming": _oncoming,
    "cyclists": _cyclists,
    "walking": _walkers,
    "meeting": _walkers,
}


@lru_cache(maxsize=8)
def leading_car(seed: int, episode: int) -> tuple[Geometry, float] | None:
    """The car ahead during one episode, with its rear at s = 0, and how near it comes in meters."""
    rng = stream(seed, "leading", episode)
    if rng.random() < 0.35:
        return None
    return Geometry.pack(list(shapes.car(rng, 0.0, 0.0))), rng.uniform(9.0, 22.0)
