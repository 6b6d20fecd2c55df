"""The frames in which two models differ most, with pictures to look at."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.calib.quality.fidelity import FrameFidelity

AMPLIFIED = 8
"""Differences are shown so many times as large, around gray."""
_WIDEST = 512
_DIMMED = 0.35
_DISAGREEMENT = (255, 64, 48)


@dataclass(frozen=True)
class Picture:
    """A picture that needs no file."""

    caption: str
    source: str
    """``data:`` URI of a PNG."""
    width: int
    height: int


@dataclass(frozen=True)
class FrameResult:
    """Measurements of one frame."""

    index: int
    name: str
    fidelity: FrameFidelity | None
    """Distances of a generator's images; None for segmenters."""
    agreement: float | None
    """Share of pixels whose labels are equal: those of segmenters, or those of the images under one."""
    pictures: tuple[Picture, ...] = ()

    @property
    def badness(self) -> float:
        """Sorting key, highest for the worst frame: squared error, or share of unequal pixels."""
        if self.fidelity:
            return self.fidelity.mean_squared_error
        return 1 - (self.agreement or 0.0)


class WorstFrames:
    """Keeps the worst few of any number of frames.

    Args:
        count: how many.
        pictures: whether to make pictures of them.
    """

    def __init__(self, count: int, pictures: bool) -> None:
        self._count, self._pictures = count, pictures
        # The first of equally bad frames stays: heaps give up their smallest entry.
        self._heap: list[tuple[float, int, FrameResult]] = []

    def add(self, frame: FrameResult, views: Callable[[], Sequence[tuple[str, NDArray[np.uint8]]]]) -> None:
        """Keep a frame if it is among the worst so far.

        Args:
            frame: without pictures.
            views: makes the captions and images, uint8 [H,W,3] RGB, of its pictures.
        """
        rank = (frame.badness, -frame.index)
        if len(self._heap) == self._count and rank < self._heap[0][:2]:
            return
        pictures = tuple(make_picture(*view) for view in views()) if self._pictures else ()
        kept = FrameResult(frame.index, frame.name, frame.fidelity, frame.agreement, pictures)
        push = heapq.heappush if len(self._heap) < self._count else heapq.heapreplace
        push(self._heap, (*rank, kept))

    def result(self) -> tuple[FrameResult, ...]:
        """The frames, worst first."""
        return tuple(frame for *_, frame in sorted(self._heap, key=lambda entry: entry[:2], reverse=True))


def make_picture(caption: str, image: NDArray[np.uint8]) -> Picture:
    """An image uint8 [H,W,3] RGB as PNG, made narrower where it is wide."""
    height, width = image.shape[:2]
    if width > _WIDEST:
        height, width = max(1, round(height * _WIDEST / width)), _WIDEST
        image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    data = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
    return Picture(caption, f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height)


def amplified_difference(reference: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``128 + AMPLIFIED (candidate - reference)`` of two images uint8 [H,W,3], as one."""
    difference = candidate.astype(np.int32) - reference
    return (128 + AMPLIFIED * difference).clip(0, 255).astype(np.uint8)


def marked_disagreement(
    frame: NDArray[np.uint8], reference: NDArray[np.uint8], candidate: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The frame uint8 [H,W,3] dimmed, with the pixels marked whose labels uint8 [H,W] are not equal."""
    gray = frame.mean(axis=2, keepdims=True) * _DIMMED
    marked = np.where((reference != candidate)[..., None], _DISAGREEMENT, gray)
    return marked.astype(np.uint8)
