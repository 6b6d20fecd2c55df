"""The perceptual loss: distance of a trained network's features (paper, section 4.1, with VGG-19)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from layoutrt.files import file_digest
from layoutrt.models import resolve_checkpoint
from layoutrt.train.checkpoint import load_segmenter
from layoutrt.train.losses.adversarial import absolute_difference
from layoutrt.train.networks.efficientnet_lite import efficientnet_lite0
from layoutrt.train.networks.vgg import vgg19_features

VGG_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
SEGMENTER_WEIGHTS = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Growing with depth, as VGG's do."""
IMAGENET_WEIGHTS = (0.2, 0.2, 0.2, 0.2, 0.2)
"""Weight of differences that are relative to the features' size, which varies from depth to depth."""


class PerceptualLoss:
    """Weighted sum of mean absolute differences between the features of two images.

    Args:
        network: network in evaluation mode; its parameters get no gradients.
        features: image to features, shallow to deep.
        weights: one for each feature.
        sha256: SHA-256 of the network's file.
        relative: true if differences are divided by the mean absolute value of the real image's features.
    """

    def __init__(
        self,
        network: nn.Module,
        features: Callable[[Tensor], list[Tensor]],
        weights: tuple[float, ...],
        sha256: str,
        relative: bool = False,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.features = features
        self.weights = weights
        self.sha256 = sha256
        self.relative = relative

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Distance of ``fake`` from ``real``, both float ``[N, 3, H, W]`` in [-1, 1]."""
        with torch.no_grad():
            target = self.features(real)
        terms = []
        for weight, ours, theirs in zip(self.weights, self.features(fake), target, strict=True):
            size = theirs.float().abs().mean().clamp(min=1e-8) if self.relative else 1.0
            terms.append(weight * absolute_difference(ours, theirs) / size)
        return sum(terms[1:], terms[0])


def perceptual_loss(kind: str, file: str) -> PerceptualLoss | None:
    """The loss of ``TrainingConfig.perceptual`` and its file.

    Raises:
        LayoutRTError: the file is missing, or holds another network.
    """
    if kind == "none":
        return None
    if kind == "imagenet":
        network, path = efficientnet_lite0(file)
        return PerceptualLoss(network, network, IMAGENET_WEIGHTS, file_digest(path), relative=True)
    if kind == "vgg":
        vgg = vgg19_features(file)
        return PerceptualLoss(vgg, vgg, VGG_WEIGHTS, file_digest(file))
    segmenter = load_segmenter(file)[0]
    return PerceptualLoss(
        segmenter, segmenter.features, SEGMENTER_WEIGHTS, file_digest(resolve_checkpoint(file))
    )
