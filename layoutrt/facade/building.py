"""One façade as rectangles, a pure function of its seed and number.

Coordinates are in image heights: x to the right from the middle of the building's plot, y downwards from the
top of the image. A later rectangle covers an earlier one.
"""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import NamedTuple

from layoutrt.drive.noise import stream

(
    BACKGROUND,
    FACADE,
    WINDOW,
    DOOR,
    CORNICE,
    SILL,
    BALCONY,
    BLIND,
    DECO,
    MOLDING,
    PILLAR,
    SHOP,
) = range(12)

PLOT = 1.18
"""Width of a building's plot in image heights; the building is narrower, and background shows between two."""


class Rectangle(NamedTuple):
    """A rectangle of one class, from (x, y) to (right, bottom)."""

    label: int
    x: float
    y: float
    right: float
    bottom: float


class _Style(NamedTuple):
    """The decisions that all floors of one building share."""

    bays: int
    window_width: float
    window_height: float
    paired: bool
    sills: bool
    cornices: bool
    bands: float
    pillars: bool
    panels: bool
    balcony_bays: frozenset[int]
    blinds: float
    shops: bool


@lru_cache(maxsize=32)
def building(seed: int, number: int) -> tuple[Rectangle, ...]:
    """The rectangles of one building in drawing order."""
    random = stream(seed, "facade", number)
    half = random.uniform(0.36, 0.58)
    top = random.uniform(0.01, 0.20)
    ground = random.uniform(0.955, 1.0)
    floors = random.choice([3, 4, 4, 5, 5, 6])
    style = _style(random, 2 * half, (ground - top) / (floors + 0.7))
    drawn = [Rectangle(FACADE, -half, top, half, ground)]
    roof = top + _roof(random, drawn, half, top)
    street = ground - (ground - roof) * random.uniform(1.0, 1.35) / (floors + 0.2)
    height = (street - roof) / (floors - 1)
    for floor in range(floors - 1):
        _floor(random, drawn, style, half, roof + floor * height, height, first=floor == 0)
    if style.pillars:
        _pillars(random, drawn, style, half, roof, street)
    drawn.append(Rectangle(MOLDING, -half, street - 0.3 * style.bands, half, street + 0.7 * style.bands))
    _ground_floor(random, drawn, style, half, street, ground)
    return tuple(drawn)


def _style(random: Random, width: float, height: float) -> _Style:
    bays = max(2, min(9, round(width / random.uniform(0.11, 0.21))))
    balconies = frozenset(
        bay for bay in range((bays + 1) // 2) if random.random() < random.choice([0.0, 0.35, 0.6])
    )
    return _Style(
        bays=bays,
        window_width=random.uniform(0.40, 0.66) * width / bays,
        window_height=random.uniform(0.48, 0.68) * height,
        paired=random.random() < 0.3,
        sills=random.random() < 0.75,
        cornices=random.random() < 0.55,
        bands=random.uniform(0.012, 0.04),
        pillars=random.random() < 0.2,
        panels=random.random() < 0.45,
        # Most façades are symmetrical.
        balcony_bays=balconies | {bays - 1 - bay for bay in balconies},
        blinds=random.choice([0.0, 0.0, 0.2, 0.6]),
        shops=random.random() < 0.45,
    )


def _roof(random: Random, drawn: list[Rectangle], half: float, top: float) -> float:
    """Draws what ends the building at its top; returns how much of its height it takes."""
    depth = random.uniform(0.02, 0.09)
    if random.random() < 0.8:
        drawn.append(Rectangle(MOLDING, -half - 0.008, top, half + 0.008, top + depth))
        if random.random() < 0.4:
            count = random.randint(5, 14)
            for k in range(count):
                x = -half + (k + 0.5) * 2 * half / count
                drawn.append(Rectangle(DECO, x - 0.010, top + 0.55 * depth, x + 0.010, top + depth))
    if random.random() < 0.25:
        width = random.uniform(0.08, 0.2)
        drawn.append(Rectangle(DECO, -width, max(0.0, top - 0.05), width, top))
    return depth + 0.01


def _floor(
    random: Random,
    drawn: list[Rectangle],
    style: _Style,
    half: float,
    top: float,
    height: float,
    *,
    first: bool,
) -> None:
    pitch = 2 * half / style.bays
    grown = random.uniform(0.85, 1.05)
    w, h = style.window_width / 2, min(style.window_height * grown, 0.8 * height)
    y = top + 0.6 * (height - h)
    if not first and random.random() < 0.55:
        drawn.append(Rectangle(MOLDING, -half, top - style.bands / 2, half, top + style.bands / 2))
    gallery = style.balcony_bays and random.random() < 0.12
    closed = [random.random() < style.blinds for _ in range(style.bays)]
    for bay in range(style.bays):
        x = -half + (bay + 0.5) * pitch
        _window(drawn, style, x, y, w, h, closed[bay])
        if style.panels:
            panel = min(0.5 * w, 0.5 * (pitch / 2 - w))
            if bay + 1 < style.bays and panel > 0.006:
                middle = x + pitch / 2
                drawn.append(Rectangle(DECO, middle - panel, y + 0.05 * h, middle + panel, y + 0.75 * h))
        if bay in style.balcony_bays and not gallery:
            wide = min(1.45 * w, 0.49 * pitch)
            drawn.append(Rectangle(BALCONY, x - wide, y + 0.62 * h, x + wide, y + 1.08 * h))
    if gallery:
        drawn.append(Rectangle(BALCONY, -half + 0.3 * pitch, y + 0.68 * h, half - 0.3 * pitch, y + 1.1 * h))


def _window(
    drawn: list[Rectangle], style: _Style, x: float, y: float, w: float, h: float, closed: bool
) -> None:
    if style.paired:
        drawn.append(Rectangle(WINDOW, x - w, y, x - 0.08 * w, y + h))
        drawn.append(Rectangle(WINDOW, x + 0.08 * w, y, x + w, y + h))
    else:
        drawn.append(Rectangle(WINDOW, x - w, y, x + w, y + h))
    if closed:
        drawn.append(Rectangle(BLIND, x - w, y, x + w, y + 0.55 * h))
    if style.cornices:
        drawn.append(Rectangle(CORNICE, x - 1.3 * w, y - 0.26 * h, x + 1.3 * w, y))
    if style.sills:
        drawn.append(Rectangle(SILL, x - 1.25 * w, y + h, x + 1.25 * w, y + 1.2 * h))


def _pillars(
    random: Random, drawn: list[Rectangle], style: _Style, half: float, top: float, bottom: float
) -> None:
    pitch = 2 * half / style.bays
    width = min(0.012, (pitch - style.window_width) / 3) * random.uniform(0.8, 1.4)
    from_y = top + random.choice([0.0, 0.5]) * (bottom - top)
    for bay in range(style.bays + 1):
        x = min(max(-half + bay * pitch, -half + width), half - width)
        drawn.append(Rectangle(PILLAR, x - width, from_y, x + width, bottom))


def _ground_floor(
    random: Random, drawn: list[Rectangle], style: _Style, half: float, top: float, ground: float
) -> None:
    pitch = 2 * half / style.bays
    height = ground - top
    doors = {random.randrange(style.bays)}
    if random.random() < 0.3:
        doors.add(style.bays - 1 - min(doors))
    for bay in range(style.bays):
        x = -half + (bay + 0.5) * pitch
        if bay in doors:
            w = min(0.36 * pitch, 0.045)
            drawn.append(Rectangle(DOOR, x - w, top + 0.34 * height, x + w, ground))
            if random.random() < 0.3:
                drawn.append(
                    Rectangle(DECO, x - 1.3 * w, top + 0.2 * height, x + 1.3 * w, top + 0.32 * height)
                )
        elif style.shops:
            drawn.append(Rectangle(SHOP, x - 0.43 * pitch, top + 0.28 * height, x + 0.43 * pitch, ground))
        else:
            w, h = style.window_width / 2, 0.42 * height
            _window(drawn, style._replace(cornices=False), x, top + 0.34 * height, w, h, closed=False)
