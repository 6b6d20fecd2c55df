"""A data set as evaluation reads it: every sample at one size, nothing random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.calib.observe.calibration_inputs import evenly_spread
from layoutrt.errors import LayoutRTError
from layoutrt.inputs import JUDGING, Entry, open_dataset, read_image
from layoutrt.layouts import LabelSet, read_instances, read_layout, resize_layout


class Batch(NamedTuple):
    """Samples, and where the first stands in the set."""

    first: int
    images: NDArray[np.uint8]
    """[N,H,W,3], RGB."""
    labels: NDArray[np.uint8]
    """[N,H,W], class indices."""
    instances: NDArray[np.int32] | None
    """[N,H,W] ids, where the data set has them."""


class EvaluationData:
    """The validation split of a data set at one size.

    Args:
        root: folder of the data set.
        label_set: what its label maps mean.
        size: (height, width) that images are resized to by area and label maps by nearest sampling.
        dataset: kind of data set, or ``"auto"``.
        limit: samples to use, evenly spread over the split; all by default.

    Raises:
        LayoutRTError: no such data set, no validation split, or no images in it.
    """

    def __init__(
        self,
        root: Path,
        label_set: LabelSet,
        size: tuple[int, int],
        *,
        dataset: str = "auto",
        limit: int | None = None,
    ) -> None:
        self.root, self.label_set, self.size = root, label_set, size
        found = open_dataset(dataset, root, JUDGING)
        # Neighboring frames of a video are much alike, so the first few would say little of the rest.
        self.entries = evenly_spread(found, limit or len(found))
        self.has_instances = self.entries[0].instances is not None

    def __len__(self) -> int:
        return len(self.entries)

    def batches(self, count: int) -> Iterator[Batch]:
        """All samples in order, ``count`` at a time; the last batch may be smaller.

        Raises:
            LayoutRTError: a file is damaged, or of another size or label set than it should be.
        """
        for first in range(0, len(self), count):
            samples = [self._read(entry) for entry in self.entries[first : first + count]]
            images, labels, instances = zip(*samples, strict=True)
            stacked = np.stack(instances) if self.has_instances else None
            yield Batch(first, np.stack(images), np.stack(labels), stacked)

    def _read(self, entry: Entry) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32] | None]:
        height, width = self.size
        image, labels = read_image(entry.image), read_layout(entry.labels, self.label_set)
        instances = read_instances(entry.instances) if entry.instances else None
        for path, array in ((entry.labels, labels), (entry.instances, instances)):
            if array is not None and array.shape != image.shape[:2]:
                raise LayoutRTError(
                    f"{path} is {array.shape[0]}x{array.shape[1]} but its image {entry.image} is "
                    f"{image.shape[0]}x{image.shape[1]}; they must have one size"
                )
        resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        return (
            np.asarray(resized, np.uint8),
            np.ascontiguousarray(resize_layout(labels, self.size)),
            None if instances is None else np.ascontiguousarray(resize_layout(instances, self.size)),
        )
