"""Data set of image/label pairs in two folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, read_layout, resize_layout

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Pair:
    """Paths of an image and of its label map, which share a stem."""

    image: Path
    labels: Path


def find_pairs(folder: str | Path) -> list[Pair]:
    """Pairs of ``folder/images`` and ``folder/labels``, sorted by name.

    Raises:
        LayoutRTError: a missing or empty folder, or an image without its label.
    """
    folder = Path(folder)
    images, labels = folder / "images", folder / "labels"
    for part in (images, labels):
        if not part.is_dir():
            raise LayoutRTError(f"{part} is not a folder; training data is a folder with images/ and labels/")
    found = sorted(path for path in images.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise LayoutRTError(f"{images} holds no images; put .jpg or .png files there")
    pairs = [Pair(path, labels / f"{path.stem}.png") for path in found]
    for pair in pairs:
        if not pair.labels.is_file():
            raise LayoutRTError(f"{pair.image} has no label map; expected {pair.labels}")
    return pairs


def read_image(path: Path) -> NDArray[np.uint8]:
    """RGB image, uint8 ``[H, W, 3]``."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise LayoutRTError(f"{path} is not a readable image; replace or remove it")
    return np.ascontiguousarray(image[:, :, ::-1])


class PairFolder(Dataset[tuple[Tensor, Tensor]]):
    """Pairs at a training size, augmented by flips and crops.

    An item is asked for by ``(epoch, index)`` and its augmentation is a function of that and the seed, so a
    resumed run sees exactly the samples that the interrupted one would have seen.

    Args:
        folder: holds ``images/`` and ``labels/``.
        label_set: what the label maps mean.
        size: height and width of the samples.
        load_size: height and width that pairs are resized to first; the size of the samples by default.
        seed: of the augmentation.
        enlarge: largest factor by which a pair is enlarged beyond that before it is cropped.
        flip: whether half of the samples are mirrored.
    """

    def __init__(
        self,
        folder: str | Path,
        label_set: LabelSet,
        size: tuple[int, int],
        *,
        load_size: tuple[int, int] | None = None,
        seed: int = 0,
        enlarge: float = 1.15,
        flip: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self.pairs = find_pairs(folder)
        self.label_set = label_set
        self.size = size
        self.load_size = load_size or size
        self.seed = seed
        self.enlarge = enlarge
        self.flip = flip

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Image float32 ``[3, H, W]`` in [-1, 1] and labels uint8 ``[H, W]``."""
        epoch, index = key
        pair = self.pairs[index]
        image, labels = read_image(pair.image), read_layout(pair.labels, self.label_set)
        if image.shape[:2] != labels.shape:
            raise LayoutRTError(
                f"{pair.labels} is {labels.shape[0]}x{labels.shape[1]} but its image {pair.image} is "
                f"{image.shape[0]}x{image.shape[1]}; they must have one size"
            )
        random = np.random.default_rng([self.seed, epoch, index])
        image, labels = self._augment(image, labels, random)
        # In numpy: waking torch's threads for a tensor this small costs more than the arithmetic.
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(127.5) - 1
        return torch.from_numpy(pixels), torch.from_numpy(np.ascontiguousarray(labels))

    def _augment(
        self, image: NDArray[np.uint8], labels: NDArray[np.uint8], random: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        height, width = self.size
        factor = random.uniform(1.0, self.enlarge)
        big_height, big_width = (round(side * factor) for side in self.load_size)
        top = int(random.integers(big_height - height + 1))
        left = int(random.integers(big_width - width + 1))
        window = np.s_[top : top + height, left : left + width]
        enlarged = cv2.resize(image, (big_width, big_height), interpolation=cv2.INTER_AREA)
        image = np.asarray(enlarged, np.uint8)[window]
        labels = resize_layout(labels, (big_height, big_width))[window]
        if self.flip and random.random() < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        return image, labels


def batch_keys(length: int, batch_size: int, seed: int, first_step: int) -> Iterator[list[tuple[int, int]]]:
    """Endless batches of ``(epoch, index)`` in a seeded random order, from ``first_step`` on.

    Every epoch is a permutation; a last, smaller batch is dropped.
    """
    per_epoch = length // batch_size
    step = first_step
    while True:
        epoch, position = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(length)
        for k in range(position, per_epoch):
            yield [(epoch, int(i)) for i in order[k * batch_size : (k + 1) * batch_size]]
            step += 1
