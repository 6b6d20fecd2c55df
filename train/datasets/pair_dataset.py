"""Images and their maps at a training size, augmented."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from layoutrt.errors import LayoutRTError
from layoutrt.inputs import Entry, read_image
from layoutrt.layouts import LabelSet, read_instances, read_layout
from layoutrt.layouts.png import read_png
from layoutrt.train.datasets.augmentation import draw_geometry
from layoutrt.train.datasets.damaged_pairs import DamagedPair, DamagedPairTally, refuse_above_one_percent
from layoutrt.train.datasets.sample import Sample


class PairDataset(Dataset[Sample]):
    """Entries of any data set, resized, cropped and mirrored together.

    An item is asked for by ``(epoch, index)`` and its augmentation is a function of that and the seed, so a
    resumed run sees exactly the samples that the interrupted one would have seen, with any number of workers.
    A pair whose files are damaged is replaced by the next one in the data set that can be read.

    Args:
        entries: from `open_dataset`.
        label_set: label set of the label maps.
        size: height and width of the samples.
        load_size: height and width that pairs are resized to first; the size of the samples by default.
        enlarge: range of the random factor on ``load_size``, before the crop.
        flip: true if half of the samples are mirrored.
        seed: seed of the augmentation.

    Raises:
        LayoutRTError: no entries, or a smallest scaled pair smaller than the samples.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        label_set: LabelSet,
        size: tuple[int, int],
        *,
        load_size: tuple[int, int] | None = None,
        enlarge: tuple[float, float] = (1.0, 1.15),
        flip: bool = True,
        seed: int = 0,
    ) -> None:
        self.entries = entries
        self.label_set = label_set
        self.size = size
        self.load_size = load_size or size
        self.enlarge = enlarge
        self.flip = flip
        self.seed = seed
        self.tally = DamagedPairTally(len(entries))
        if not entries:
            raise LayoutRTError("the data set has no entries; give at least one image with its label map")
        if not 0 < enlarge[0] <= enlarge[1]:
            raise LayoutRTError(f"enlarge must be a positive minimum, then a maximum, got {enlarge}")
        smallest = [round(side * enlarge[0]) for side in self.load_size]
        if smallest[0] < size[0] or smallest[1] < size[1]:
            raise LayoutRTError(
                f"images scaled to {smallest[0]}x{smallest[1]} are smaller than the samples of "
                f"{size[0]}x{size[1]}; raise the load size or the smallest enlargement, or lower the size"
            )

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The sample of ``(epoch, index)``; see `load`. Damage is counted and warned of here."""
        sample, damaged = self.load(key)
        self.tally.add(damaged)
        return sample

    def load(self, key: tuple[int, int]) -> tuple[Sample, list[DamagedPair]]:
        """The sample of ``(epoch, index)``, and the damaged pairs in whose place it stands, if any.

        Raises:
            LayoutRTError: a pair can be read but not used (its sizes differ, or a label is outside the set),
                or more than 1 % of the data set was damaged on the way to a readable pair.
        """
        epoch, index = key
        damaged: list[DamagedPair] = []
        while True:
            place = (index + len(damaged)) % len(self)
            try:
                arrays = self._read(self.entries[place])
                break
            except _DamagedFile as error:
                damaged.append(DamagedPair(place, str(error)))
                refuse_above_one_percent(len(damaged), len(self), str(error))
        random = np.random.default_rng([self.seed, epoch, index])
        geometry = draw_geometry(random, self.size, self.load_size, self.enlarge, self.flip)
        image = geometry.image(arrays.image).transpose(2, 0, 1)
        # In numpy: waking torch's threads for a tensor this small costs more than the arithmetic.
        pixels = np.ascontiguousarray(image, np.float32) / np.float32(127.5) - 1
        labels, instances = geometry.map(arrays.labels), geometry.map(arrays.instances)
        return Sample(*map(torch.from_numpy, (pixels, labels, instances))), damaged

    def _read(self, entry: Entry) -> _Arrays:
        try:
            image = read_image(entry.image)
        except LayoutRTError as error:
            raise _DamagedFile(str(error)) from None
        try:
            labels = read_layout(entry.labels, self.label_set)
            instances = (
                np.zeros(labels.shape, np.int32)
                if entry.instances is None
                else read_instances(entry.instances)
            )
        except LayoutRTError:
            for path in entry[1:]:
                _raise_if_damaged(path)
            raise
        for path, (height, width) in ((entry.labels, labels.shape), (entry.instances, instances.shape)):
            if (height, width) != image.shape[:2]:
                raise LayoutRTError(
                    f"{path} is {height}x{width} but its image {entry.image} is "
                    f"{image.shape[0]}x{image.shape[1]}; they must have one size"
                )
        return _Arrays(image, labels, instances)


class _Arrays(NamedTuple):
    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    instances: NDArray[np.int32]


class _DamagedFile(LayoutRTError):
    """A file is absent, truncated or of another format: the pair is skipped instead of stopping the run."""


def _raise_if_damaged(path: Path | None) -> None:
    """Tell a damaged file from a whole one with a wrong content, once it is known to be one of the two."""
    if path is not None:
        try:
            read_png(path)
        except LayoutRTError as error:
            raise _DamagedFile(str(error)) from None
