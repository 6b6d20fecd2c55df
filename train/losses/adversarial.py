"""The losses of the paper (section 3.3) and those of distillation, all computed in float32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_discriminator(scores_real: list[Tensor], scores_fake: list[Tensor]) -> Tensor:
    """``mean(max(0, 1 - real)) + mean(max(0, 1 + fake))``, averaged over the scales."""
    real = torch.stack([F.relu(1 - score.float()).mean() for score in scores_real]).mean()
    fake = torch.stack([F.relu(1 + score.float()).mean() for score in scores_fake]).mean()
    return real + fake


def hinge_generator(scores_fake: list[Tensor]) -> Tensor:
    """``-mean(fake)``, averaged over the scales."""
    return torch.stack([-score.float().mean() for score in scores_fake]).mean()


def feature_matching(features_fake: list[Tensor], features_real: list[Tensor]) -> Tensor:
    """Mean absolute difference of the discriminator's features, averaged over the features."""
    pairs = zip(features_fake, features_real, strict=True)
    return torch.stack([absolute_difference(fake, real) for fake, real in pairs]).mean()


def absolute_difference(fake: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference; no gradient reaches ``real``."""
    return F.l1_loss(fake.float(), real.detach().float())


def relative_square_difference(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference over the teacher's mean square; no gradient reaches the teacher.

    Relative, so that a weight means the same at every depth and for every teacher.
    """
    target = teacher.detach().float()
    return F.mse_loss(student.float(), target) / target.square().mean().clamp(min=1e-8)


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of ``N(mu, exp(logvar))`` from the standard normal in nats: the mean over the batch.

    Published training has one image in the batch of each GPU and averages over GPUs, which is the same.
    """
    mu, logvar = mu.float(), logvar.float()
    return -0.5 * torch.sum(1 + logvar - mu.square() - logvar.exp()) / len(mu)
