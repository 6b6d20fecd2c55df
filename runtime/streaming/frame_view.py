"""Picture of a demo's frame, layout and image, with the times of its stages."""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.layouts import LabelSet, colorize
from layoutrt.runtime.streaming.layout_feed import LayoutFrame
from layoutrt.runtime.streaming.stage_times import LATENCY, STAGES, StageTimes

PLEASANT_HEIGHT = 384
"""Lower frames are enlarged twice."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.4
_TEXT = (232, 232, 228)
_FAINT = (150, 154, 160)
_BAR = (24, 26, 30)
_LINE = 20
"""Pixels from one line of text to the next."""
_WIDEST = ("888.8 / 888.8 ms", "888.8")
"""Values that places are wide enough for, of a stage and of the frames a second."""
_INSET = 0.28
"""Width of an inset, of the image's."""


class View(str, Enum):
    """Arrangement of frame, layout and image."""

    SIDE_BY_SIDE = "side-by-side"
    """Frame, where there is one, layout, and image."""
    IMAGE = "image"
    """The image alone."""
    OVERLAY = "overlay"
    """The image, with frame and layout small in its corner."""


class FrameView:
    """Renderer of pictures of one size, even in both directions.

    Args:
        view: arrangement of frame, layout and image.
        label_set: label set of the layouts.
        size: (height, width) of a frame.
        has_frame: leave room for a camera's frame beside the layout.
        show_times: add a bar with frames/s and the times of the stages.

    Attributes:
        picture_size: (height, width) of the pictures.
    """

    def __init__(
        self, view: View, label_set: LabelSet, size: tuple[int, int], *, has_frame: bool, show_times: bool
    ) -> None:
        self._view = view
        self._label_set = label_set
        self._scale = 2 if size[0] < PLEASANT_HEIGHT else 1
        self._height, self._width = size[0] * self._scale, size[1] * self._scale
        panels = (3 if has_frame else 2) if view is View.SIDE_BY_SIDE else 1
        width = panels * self._width
        self._places: list[tuple[str, int, int]] = []
        bar = 0
        if show_times:
            self._places, bar = _places(
                ["frames/s", *(s for s in (*STAGES, LATENCY) if s != "segment" or has_frame)], width
            )
        self.picture_size = (self._height + bar + (self._height + bar) % 2, width + width % 2)

    def picture(
        self, layout_frame: LayoutFrame, image: NDArray[np.uint8], times: StageTimes
    ) -> NDArray[np.uint8]:
        """Draw.

        Args:
            layout_frame: frame and layout.
            image: uint8 [H,W,3] RGB.
            times: times of the frames before.

        Returns:
            uint8 [*picture_size,3], RGB.
        """
        picture = np.full((*self.picture_size, 3), _BAR, np.uint8)
        layout = colorize(layout_frame.labels, self._label_set)
        if self._view is View.SIDE_BY_SIDE:
            panels = [] if layout_frame.frame is None else [self._larger(layout_frame.frame)]
            panels += [self._enlarged(layout), self._larger(image)]
            for index, panel in enumerate(panels):
                picture[: self._height, index * self._width : (index + 1) * self._width] = panel
        else:
            picture[: self._height, : self._width] = self._larger(image)
        if self._view is View.OVERLAY:
            self._draw_insets(
                picture, [pixels for pixels in (layout_frame.frame, layout) if pixels is not None]
            )
        for name, x, y in self._places:
            _draw_time(picture, name, times, x, self._height + y)
        return picture

    def _enlarged(self, layout: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A layout keeps its hard edges."""
        return layout.repeat(self._scale, axis=0).repeat(self._scale, axis=1)

    def _larger(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._scale == 1:
            return image
        size = (self._width, self._height)
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)

    def _draw_insets(self, picture: NDArray[np.uint8], panels: list[NDArray[np.uint8]]) -> None:
        margin = max(2, self._width // 48)
        width = int(self._width * _INSET)
        height = width * self._height // self._width
        for index, panel in enumerate(panels):
            y, x = margin + index * (height + margin), self._width - margin - width
            if y + height > self._height:
                return
            small = cv2.resize(panel, (width, height), interpolation=cv2.INTER_AREA)
            picture[y : y + height, x : x + width] = small
            cv2.rectangle(picture, (x - 1, y - 1), (x + width, y + height), _TEXT, 1)


def _places(names: list[str], width: int) -> tuple[list[tuple[str, int, int]], int]:
    """Place of each entry of the bar, and the bar's height; entries wrap into lines."""
    places, x, y = [], 10, 16
    for name in names:
        advance = _text_width(name) + _text_width(_WIDEST[name == "frames/s"]) + 30
        if x + advance > width and x > 10:
            x, y = 10, y + _LINE
        places.append((name, x, y))
        x += advance
    return places, y + 8


def _draw_time(picture: NDArray[np.uint8], name: str, times: StageTimes, x: int, y: int) -> None:
    if name == "frames/s":
        value = f"{times.frames_per_second:.1f}"
    else:
        recent = times.recent(name)
        value = "-" if recent is None else f"{recent[0]:.1f} / {recent[1]:.1f} ms"
    cv2.putText(picture, name, (x, y), _FONT, _FONT_SCALE, _FAINT, 1, cv2.LINE_AA)
    cv2.putText(picture, value, (x + _text_width(name) + 8, y), _FONT, _FONT_SCALE, _TEXT, 1, cv2.LINE_AA)


def _text_width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)[0][0])
