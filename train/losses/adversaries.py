"""Objectives of a discriminator and of its generator: the paper's hinge, or OASIS' classes of pixels."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layoutrt.train.losses import adversarial as losses
from layoutrt.train.networks.discriminator import Discriminator, Judgment
from layoutrt.train.networks.segmentation_discriminator import SegmentationDiscriminator

LARGEST_CLASS_WEIGHT = 50.0
"""A class of a few pixels in a batch would otherwise outweigh the picture."""


class Adversary(Protocol):
    """The losses of one kind of discriminator; ``semantics [N, S, H, W]`` are zero where nothing counts."""

    def generator(self, fake: Judgment, semantics: Tensor) -> Tensor:
        """The generator's loss."""

    def discriminator(self, real: Judgment, fake: Judgment, semantics: Tensor) -> Tensor:
        """The discriminator's loss."""

    def realness(self, judged: Judgment) -> Tensor:
        """The score of each picture, ``[N]``, whose gradient R1 penalizes."""


class HingeAdversary:
    """The paper's: hinge over the patch scores of three scales."""

    def generator(self, fake: Judgment, semantics: Tensor) -> Tensor:
        """See `Adversary`."""
        return losses.hinge_generator(fake.scores)

    def discriminator(self, real: Judgment, fake: Judgment, semantics: Tensor) -> Tensor:
        """See `Adversary`."""
        return losses.hinge_discriminator(real.scores, fake.scores)

    def realness(self, judged: Judgment) -> Tensor:
        """See `Adversary`."""
        return torch.stack([score.float().mean((1, 2, 3)) for score in judged.scores]).mean(0)


class ClassAdversary:
    """OASIS' (arXiv 2012.04781, equations 1 and 2): cross-entropy over the layout's classes and "fake".

    Args:
        num_classes: number of classes of the layout.
        ignored: class whose pixels do not count, if any.
    """

    def __init__(self, num_classes: int, ignored: int | None) -> None:
        self.num_classes = num_classes
        self.ignored = ignored

    def generator(self, fake: Judgment, semantics: Tensor) -> Tensor:
        """See `Adversary`."""
        return self._as_layout(fake, semantics)

    def discriminator(self, real: Judgment, fake: Judgment, semantics: Tensor) -> Tensor:
        """See `Adversary`."""
        counted = semantics[:, : self.num_classes].sum(1)
        is_fake = -F.log_softmax(fake.scores[0].float(), 1)[:, -1]
        return self._as_layout(real, semantics) + (is_fake * counted).mean()

    def realness(self, judged: Judgment) -> Tensor:
        """See `Adversary`."""
        scores = judged.scores[0].float()
        return (torch.logsumexp(scores[:, :-1], 1) - scores[:, -1]).mean((1, 2))

    def _as_layout(self, judged: Judgment, semantics: Tensor) -> Tensor:
        labels = semantics[:, : self.num_classes].float()
        weights = balanced_weights(labels, self.ignored)[:, None, None]
        logarithms = F.log_softmax(judged.scores[0].float(), 1)[:, :-1]
        return -(labels * weights * logarithms).sum(1).mean()


def balanced_weights(labels: Tensor, ignored: int | None) -> Tensor:
    """Weights ``[C]`` that give every class in one-hot ``labels [N, C, H, W]`` the same part of a loss.

    Inverse to the number of its pixels (arXiv 2012.04781, equation 1), their mean over the pixels that count
    being 1; at most `LARGEST_CLASS_WEIGHT`.
    """
    counts = labels.sum((0, 2, 3))
    if ignored is not None:
        counts[ignored] = 0
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=1))
    return torch.where(present, weights.clamp(max=LARGEST_CLASS_WEIGHT), 0.0)


def label_mask(semantics: Tensor, classes: int, random: Tensor) -> Tensor:
    """LabelMix' mask ``[N, 1, H, W]``: every class of every picture is taken from the real or the fake one.

    Args:
        semantics: ``[N, S, H, W]``.
        classes: number of its channels that are classes.
        random: uniform ``[N, classes]``; below a half is real.
    """
    real = (random < 0.5).to(semantics.dtype)[:, :, None, None]
    return (semantics[:, :classes] * real).sum(1, keepdim=True)


def mix(mask: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """``real`` where the mask is 1, ``fake`` where it is 0."""
    return mask * real + (1 - mask) * fake


def build_discriminator(kind: str, num_classes: int, semantic_channels: int, width: int) -> nn.Module:
    """The discriminator of ``TrainingConfig.discriminator``, with fresh weights."""
    if kind == "segmentation":
        return SegmentationDiscriminator(num_classes, width)
    return Discriminator(semantic_channels, width)


def gradient_penalty(realness: Tensor, images: Tensor) -> Tensor:
    """R1 (Mescheder et al., arXiv 1801.04406, equation 9): half the squared gradient at real images.

    Args:
        realness: ``[N]``, computed from ``images``.
        images: ``[N, 3, H, W]`` that require gradients.
    """
    (gradient,) = torch.autograd.grad(realness.sum(), images, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean() / 2
