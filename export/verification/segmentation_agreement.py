"""Agreement of two label maps of the same thing, and which is nearer to what it shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layoutrt.layouts import LabelSet
from layoutrt.layouts.confusion import ConfusionMatrix


@dataclass(frozen=True)
class SegmentationAgreement:
    """The label maps of a reference and a candidate over all frames; shares from 0 to 1."""

    agreement: float
    """Share of equal pixels."""
    worst_agreement: float
    """Share of equal pixels in the worst frame."""
    mean_iou: float | None
    """Mean IoU of the candidate's labels with the reference's; None where nothing was counted."""
    reference_mean_iou: float | None
    """Mean IoU of the reference with the true labels; None where there are none."""
    candidate_mean_iou: float | None

    @property
    def drop_points(self) -> float | None:
        """Mean IoU that the candidate loses, in points of 0.01."""
        if self.reference_mean_iou is None or self.candidate_mean_iou is None:
            return None
        return 100 * (self.reference_mean_iou - self.candidate_mean_iou)


class AgreementMeter:
    """Counts pixels of label maps.

    Args:
        label_set: what they mean.
    """

    def __init__(self, label_set: LabelSet) -> None:
        self._between, self._reference, self._candidate = (
            ConfusionMatrix(label_set.num_classes, label_set.dont_care) for _ in range(3)
        )
        self._equal = self._pixels = 0
        self._worst = 1.0

    def add(
        self, reference: NDArray[np.uint8], candidate: NDArray[np.uint8], truth: NDArray[np.uint8] | None
    ) -> float:
        """Count one frame and return its share of equal pixels.

        Args:
            reference: uint8 [H,W], class indices.
            candidate: of the same shape.
            truth: of the same shape, or None where it is not known.
        """
        equal = int((reference == candidate).sum())
        self._equal += equal
        self._pixels += reference.size
        self._worst = min(self._worst, equal / reference.size)
        self._between.add(reference, candidate)
        if truth is not None:
            self._reference.add(truth, reference)
            self._candidate.add(truth, candidate)
        return equal / reference.size

    def result(self) -> SegmentationAgreement:
        """The result so far, of at least one frame."""
        return SegmentationAgreement(
            agreement=self._equal / self._pixels,
            worst_agreement=self._worst,
            mean_iou=_known(self._between.mean_iou),
            reference_mean_iou=_known(self._reference.mean_iou),
            candidate_mean_iou=_known(self._candidate.mean_iou),
        )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
