"""Loss curves of a run as a picture, for its model card."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing
from layoutrt.train.checkpoint import LOSSES_FILE

HEIGHT, WIDTH = 480, 800
LEFT, RIGHT, TOP, BOTTOM = 64, 176, 24, 40
"""Margins around the axes, for ticks and legend."""
POINTS = 200
"""Points of a curve; each is the mean of the steps around it."""
COLORS = (
    (180, 119, 31),
    (14, 127, 255),
    (44, 160, 44),
    (40, 39, 214),
    (189, 103, 148),
    (75, 86, 140),
    (194, 119, 227),
    (127, 127, 127),
)
"""BGR, one for each curve."""

MEASURES = ("nats",)
"""Keys of ``losses.jsonl`` that are not losses."""

Image = NDArray[np.uint8]


def plot_curves(run: Path, png: Path) -> None:
    """Draw every weighted loss over the steps, from ``losses.jsonl``.

    Raises:
        LayoutRTError: no losses there, or the picture cannot be written.
    """
    steps, curves = read_losses(run / LOSSES_FILE)
    curves = {name: values for name, values in curves.items() if name not in MEASURES}
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    averaged = {name: _averaged(values) for name, values in curves.items()}
    drawn = np.concatenate(list(averaged.values()))
    vertical = _ticks(min(float(drawn.min()), 0.0), float(drawn.max()))
    horizontal = _ticks(0.0, float(steps[-1]))
    _draw_axes(image, horizontal, vertical)
    x = _pixels(_averaged(steps), horizontal, LEFT, WIDTH - RIGHT)
    for index, (name, values) in enumerate(averaged.items()):
        color = COLORS[index % len(COLORS)]
        y = _pixels(values, vertical, HEIGHT - BOTTOM, TOP)
        points = np.stack([x, y], 1).astype(np.int32)[:, None]
        cv2.polylines(image, [points], False, color, 1, cv2.LINE_AA)
        row = TOP + 8 + 20 * index
        cv2.line(image, (WIDTH - RIGHT + 12, row), (WIDTH - RIGHT + 32, row), color, 2)
        _write(image, name, (WIDTH - RIGHT + 38, row + 4))
    with replacing(png) as path:
        if not cv2.imwrite(str(path), image):
            raise LayoutRTError(f"cannot write {png}; check that its name ends in .png and make room")


def read_losses(path: Path) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Steps, and the losses by name in the order of the file; each float64 ``[steps]``.

    Raises:
        LayoutRTError: the file is missing or empty.
    """
    lines = path.read_text().splitlines() if path.is_file() else []
    if not lines:
        raise LayoutRTError(f"{path} holds no losses; give the folder of a training run")
    records = [json.loads(line) for line in lines]
    # A loss that is computed now and then, as R1, keeps its value until the next.
    names = {name: None for record in records for name in record}
    columns = {name: _held([record.get(name) for record in records]) for name in names}
    return columns.pop("step"), columns


def _held(values: list[float | None]) -> NDArray[np.float64]:
    held = []
    last = next(value for value in values if value is not None)
    for value in values:
        last = last if value is None else value
        held.append(last)
    return np.array(held, np.float64)


def _averaged(values: NDArray[np.float64]) -> NDArray[np.float64]:
    parts = np.array_split(values, min(POINTS, len(values)))
    return np.array([part.mean() for part in parts])


def _ticks(low: float, high: float) -> NDArray[np.float64]:
    """Four to eight multiples of 1, 2 or 5 times a power of ten, around ``[low, high]``."""
    span = max(high - low, 1e-9)
    power = 10.0 ** np.floor(np.log10(span / 4))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 6)
    return np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step


def _pixels(
    values: NDArray[np.float64], ticks: NDArray[np.float64], first: int, last: int
) -> NDArray[np.float64]:
    return first + (values - ticks[0]) / (ticks[-1] - ticks[0]) * (last - first)


def _draw_axes(image: Image, horizontal: NDArray[np.float64], vertical: NDArray[np.float64]) -> None:
    gray, black = (225, 225, 225), (0, 0, 0)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in vertical:
        y = round(float(_pixels(value, vertical, bottom, TOP)))
        cv2.line(image, (LEFT, y), (right, y), gray, 1)
        text = f"{value:g}"
        _write(image, text, (LEFT - 8 - 8 * len(text), y + 4))
    for value in horizontal:
        x = round(float(_pixels(value, horizontal, LEFT, right)))
        cv2.line(image, (x, TOP), (x, bottom), gray, 1)
        text = f"{value:g}"
        _write(image, text, (x - 4 * len(text), bottom + 18))
    cv2.rectangle(image, (LEFT, TOP), (right, bottom), black, 1)
    _write(image, "step", ((LEFT + right) // 2 - 16, HEIGHT - 6))


def _write(image: Image, text: str, corner: tuple[int, int]) -> None:
    cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
