"""The features whose statistics a Fréchet distance compares."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from layoutrt.errors import LayoutRTError
from layoutrt.files import file_digest
from layoutrt.train.networks.inception import inception_v3
from layoutrt.train.networks.segmenter import Segmenter

GRID = (3, 4)
"""Rows and columns of cells in which an image's segmenter features are averaged, each for itself.

One vector for each image would leave a small validation set with fewer vectors than features, and the
distance with next to nothing but sampling noise; cells make twelve of one image.
"""


class Features(Protocol):
    """Source of the vectors of a Fréchet distance.

    Attributes:
        name: name in reports.
        metric: name of the distance of these vectors.
        sha256: SHA-256 of the file with the weights.
    """

    name: str
    metric: str
    sha256: str

    def vectors(self, images: Tensor) -> NDArray[np.float32]:
        """float32 [M,features] from images float ``[N, 3, H, W]`` in [-1, 1]; M is a multiple of N."""


class SegmenterFeatures:
    """The segmenter's deepest features, averaged over the cells of ``GRID``: 12 vectors for each image.

    What it gives is no FID: numbers compare only with those of the same segmenter at the same size.
    """

    metric = "frechet_segmenter"

    def __init__(self, segmenter: Segmenter, name: str, sha256: str) -> None:
        self.segmenter, self.name, self.sha256 = segmenter, name, sha256

    @torch.no_grad()
    def vectors(self, images: Tensor) -> NDArray[np.float32]:
        """float32 [12 N,features]."""
        deepest = self.segmenter.features(images)[-1]
        cells = F.adaptive_avg_pool2d(deepest, GRID)
        return cells.permute(0, 2, 3, 1).flatten(0, 2).numpy().astype(np.float32, copy=False)


class InceptionFeatures:
    """The last pooling of the FID reference's Inception network: one vector of 2048 for each image."""

    metric = "FID"

    def __init__(self, weights: Path) -> None:
        self.network = inception_v3(weights)
        self.name, self.sha256 = f"inception:{weights.name}", file_digest(weights)

    @torch.no_grad()
    def vectors(self, images: Tensor) -> NDArray[np.float32]:
        """float32 [N,2048]."""
        return self.network(images).numpy()


def open_features(specification: str, segmenter: SegmenterFeatures) -> Features:
    """Features by what the command line calls them: ``segmenter``, or ``inception:`` and the weights' path.

    Raises:
        LayoutRTError: something else, or weights that cannot be used.
    """
    kind, _, path = specification.partition(":")
    if specification == "segmenter":
        return segmenter
    if kind == "inception" and path:
        return InceptionFeatures(Path(path))
    raise LayoutRTError(
        f"there are no features '{specification}'; use segmenter, or inception:PATH with the weights of the "
        "FID reference"
    )
