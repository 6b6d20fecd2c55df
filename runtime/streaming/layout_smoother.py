"""Steady layouts: labels that jump between frames are held until they stay."""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError

LONGEST = 15
_MOTION = 24
"""Change of a pixel's brightness, of 255, that counts as motion and not as noise."""


class LayoutSmoother:
    """Majority vote over the last frames, for each pixel.

    A pixel's label changes when the new one was seen in more of the last ``frames`` layouts than the one
    that is shown. Where the camera's frame itself changed, the new label is shown at once: there is motion,
    and edges that move would be smeared by a vote.

    Args:
        frames: layouts that vote, 1 (no smoothing) to ``LONGEST``.

    Raises:
        LayoutRTError: ``frames`` is out of range.
    """

    def __init__(self, frames: int) -> None:
        if not 1 <= frames <= LONGEST:
            raise LayoutRTError(f"--smooth is {frames}; give 1 (off) to {LONGEST} frames")
        self._recent: deque[NDArray[np.uint8]] = deque(maxlen=frames)
        self._shown: NDArray[np.uint8] | None = None
        self._brightness: NDArray[np.uint8] | None = None

    def smooth(self, labels: NDArray[np.uint8], frame: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The layout to show.

        Args:
            labels: uint8 [H,W], of the newest frame.
            frame: that frame, uint8 [H,W,3] RGB, where there is one.

        Returns:
            uint8 [H,W].
        """
        moving = None if frame is None else self._motion(frame)
        self._recent.append(labels)
        if self._shown is None or self._shown.shape != labels.shape or self._recent.maxlen == 1:
            self._recent.clear()
            self._recent.append(labels)
            self._shown = labels
            return labels
        for_new = np.zeros(labels.shape, np.uint8)
        for_shown = np.zeros(labels.shape, np.uint8)
        for layout in self._recent:
            for_new += layout == labels
            for_shown += layout == self._shown
        change = for_new > for_shown
        if moving is not None:
            change |= moving
        self._shown = np.where(change, labels, self._shown)
        return self._shown

    def _motion(self, frame: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
        """Mask of the pixels that differ from the frame before, bool [H,W]; None for the first."""
        brightness = cv2.blur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (3, 3)).astype(np.uint8, copy=False)
        before, self._brightness = self._brightness, brightness
        if before is None or before.shape != brightness.shape:
            return None
        return cv2.absdiff(brightness, before) > _MOTION
