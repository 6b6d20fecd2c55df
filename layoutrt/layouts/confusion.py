"""Intersection over union and pixel accuracy, from a confusion matrix over a whole data set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ConfusionMatrix:
    """Counts pixels by the class they have and the class they are taken for.

    Args:
        num_classes: class indices, "don't care" included.
        dont_care: the index whose pixels are left out, or None.

    Attributes:
        counts: int64 [num_classes,num_classes], rows are the layout's classes, columns the predicted ones.
    """

    def __init__(self, num_classes: int, dont_care: int | None) -> None:
        self.dont_care = dont_care
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes), np.int64)

    def add(self, labels: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> None:
        """Count pixels: uint8 class indices of one shape. Pixels whose label is "don't care" are left out."""
        if self.dont_care is not None:
            cared = labels != self.dont_care
            labels, predicted = labels[cared], predicted[cared]
        size = len(self.counts)
        pairs = labels.astype(np.int64).ravel() * size + predicted.ravel()
        self.counts += np.bincount(pairs, minlength=size * size).reshape(size, size)

    @property
    def class_iou(self) -> list[float | None]:
        """Intersection over union of each class, 0..1; None where it is in no layout and no prediction."""
        hits = np.diag(self.counts)
        union = self.counts.sum(0) + self.counts.sum(1) - hits
        return [
            None if union[i] == 0 or i == self.dont_care else float(hits[i] / union[i])
            for i in range(len(union))
        ]

    @property
    def mean_iou(self) -> float:
        """Mean of the intersections over unions of the classes that occur, 0..1; NaN where none does."""
        found = [iou for iou in self.class_iou if iou is not None]
        return float(np.mean(found)) if found else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """Share of the counted pixels that are taken for what they are, 0..1; NaN where there are none."""
        total = int(self.counts.sum())
        return float(np.trace(self.counts) / total) if total else float("nan")
