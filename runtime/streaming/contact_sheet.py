"""A contact sheet: pairs of layout and image in a grid, with a heading and a legend."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.files import drawable
from layoutrt.layouts import LabelSet, colorize

_BACKGROUND = (250, 250, 248)
_TEXT = (45, 45, 45)
_MARGIN = 20
_GAP = 14
"""Pixels between pairs."""
_SEAM = 2
"""Pixels between a layout and its image."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def contact_sheet(
    pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    label_set: LabelSet,
    heading: str,
    columns: int = 3,
) -> NDArray[np.uint8]:
    """Lay out pairs of the same size in rows, left to right.

    Args:
        pairs: layout uint8 [H,W] and image uint8 [H,W,3] RGB.
        label_set: label set of the layouts; those of its classes that occur make the legend.
        heading: one line of plain text.
        columns: pairs in a row.

    Returns:
        uint8 [height,width,3], RGB.
    """
    height, width = pairs[0][0].shape
    cell_height, cell_width = height + _GAP, 2 * width + _SEAM + _GAP
    columns = min(columns, len(pairs))
    rows = -(-len(pairs) // columns)
    sheet_width = 2 * _MARGIN + columns * cell_width - _GAP
    head = _line(heading, sheet_width, scale=0.6)
    used = sorted({int(label) for layout, _ in pairs for label in np.unique(layout)})
    legend = _legend(
        [(drawable(label_set.names[i]), label_set.colors[i]) for i in used if i < label_set.num_classes],
        sheet_width,
    )
    grid = _blank(rows * cell_height - _GAP, sheet_width)
    for index, (layout, image) in enumerate(pairs):
        row, column = divmod(index, columns)
        y, x = row * cell_height, _MARGIN + column * cell_width
        grid[y : y + height, x : x + width] = colorize(layout, label_set)
        grid[y : y + height, x + width + _SEAM : x + 2 * width + _SEAM] = image
    return np.concatenate([head, grid, legend])


def _blank(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), _BACKGROUND, np.uint8)


def _line(text: str, width: int, scale: float) -> NDArray[np.uint8]:
    line = _blank(52, width)
    cv2.putText(line, drawable(text), (_MARGIN, 33), _FONT, scale, _TEXT, 1, cv2.LINE_AA)
    return line


def _legend(entries: list[tuple[str, tuple[int, int, int]]], width: int) -> NDArray[np.uint8]:
    """Swatches with names, in as many lines as they need."""
    x, y, pitch = _MARGIN, _MARGIN, 26
    places: list[tuple[int, int]] = []
    for name, _ in entries:
        advance = 22 + cv2.getTextSize(name, _FONT, 0.45, 1)[0][0] + 22
        if x + advance > width - _MARGIN and x > _MARGIN:
            x, y = _MARGIN, y + pitch
        places.append((x, y))
        x += advance
    legend = _blank(y + pitch + _MARGIN // 2, width)
    for (name, color), (x, y) in zip(entries, places, strict=True):
        cv2.rectangle(legend, (x, y), (x + 14, y + 14), color, cv2.FILLED)
        cv2.putText(legend, name, (x + 22, y + 12), _FONT, 0.45, _TEXT, 1, cv2.LINE_AA)
    return legend
