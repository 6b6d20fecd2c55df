"""A generator that renders what the page paints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.runtime.processors import usable_processors
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed

MOST_PIXELS = 1 << 20
"""Largest number of pixels of a layout, by default."""


class Painter:
    """Renders layouts by seed, in the one thread that uses it.

    Args:
        model: shipped name or ONNX file of a generator.
        threads: threads of one run; None for one per processor but one.
        most_pixels: height x width that are taken at most.

    Attributes:
        synthesizer: synthesizer of the images.
        sizes: (height, width) that the page offers, the first to begin with.
        most_pixels: largest number of pixels of a layout.

    Raises:
        LayoutRTError: the model cannot be loaded, renders several layouts at a time, or is too large.
    """

    def __init__(
        self, model: str | Path, *, threads: int | None = None, most_pixels: int = MOST_PIXELS
    ) -> None:
        # Beside it run server and browser: threads of a run that lack a processor keep the others waiting.
        processors = usable_processors()
        self.synthesizer = Synthesizer(model, threads=threads or max(1, processors - 1))
        self.most_pixels = most_pixels
        self.sizes = _sizes(self.synthesizer, most_pixels)
        self._kept: bytes | None = None
        if not self.sizes:
            height, width = self.synthesizer.size or self.synthesizer.trained_size
            self.close()
            raise LayoutRTError(
                f"model {self.synthesizer.name} makes {height}x{width}, more than {most_pixels} pixels; "
                "raise --max-pixels"
            )
        # The first run allocates memory, and shows whether the model works at all.
        self.image(np.zeros(self.sizes[0], np.uint8), 0)

    def image(self, labels: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
        """Render a layout.

        Args:
            labels: uint8 [H,W].
            seed: seed of the latent, if the model has one.

        Returns:
            uint8 [H,W,3], RGB.
        """
        latent = self.synthesizer.latent
        return self.image_of_latent(labels, latent_from_seed(seed, latent) if latent else None)

    def image_of_latent(self, labels: NDArray[np.uint8], z: NDArray[np.float32] | None) -> NDArray[np.uint8]:
        """Render a layout with a latent, float32 [latent]; None if the model has none."""
        instances = None
        if self.synthesizer.needs_instances:
            instances = instances_of(labels, self.synthesizer.label_set)
        if z is None or not self.synthesizer.keeps_layout:
            return self.synthesizer.render(labels, instances, z)
        # Six styles of one layout: its kernels are predicted once.
        key = hashlib.sha256(labels.tobytes()).digest() + bytes(str(labels.shape), "ascii")
        if key != self._kept:
            self._kept = None
            self.synthesizer.set_layout(labels, instances)
            self._kept = key
        return self.synthesizer.render_latent(z)

    def close(self) -> None:
        """Free the model."""
        self.synthesizer.close()


def instances_of(labels: NDArray[np.uint8], label_set: LabelSet) -> NDArray[np.int32]:
    """Instance ids of a painted layout, int32 [H,W]: every connected area of a countable class is one."""
    ids = labels.astype(np.int32)
    first = 256
    for index, label in enumerate(label_set.labels):
        if label.thing and (labels == index).any():
            count, areas = cv2.connectedComponents((labels == index).astype(np.uint8), connectivity=8)
            ids = np.where(areas > 0, areas.astype(np.int32) + first, ids)
            first += count
    return ids


def _sizes(synthesizer: Synthesizer, most_pixels: int) -> list[tuple[int, int]]:
    """The model's one size, or the size it was trained at and some around it."""
    if synthesizer.size:
        sizes = [synthesizer.size]
    else:
        height, width = synthesizer.trained_size
        sizes = [
            synthesizer.fitting_size(round(height * scale), round(width * scale))
            for scale in (1, 0.5, 1.5, 2, 3)
        ]
    unique = list(dict.fromkeys(size for size in sizes if size[0] * size[1] <= most_pixels))
    return unique[:1] + sorted(unique[1:])
