"""The losses of the paper (section 3.3): hinge GAN, discriminator feature matching, KL divergence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_discriminator(scores_real: list[Tensor], scores_fake: list[Tensor]) -> Tensor:
    """``mean(max(0, 1 - real)) + mean(max(0, 1 + fake))``, averaged over the scales."""
    real = torch.stack([F.relu(1 - score).mean() for score in scores_real]).mean()
    fake = torch.stack([F.relu(1 + score).mean() for score in scores_fake]).mean()
    return real + fake


def hinge_generator(scores_fake: list[Tensor]) -> Tensor:
    """``-mean(fake)``, averaged over the scales."""
    return torch.stack([-score.mean() for score in scores_fake]).mean()


def feature_matching(features_fake: list[Tensor], features_real: list[Tensor]) -> Tensor:
    """Mean absolute difference of the discriminator's features, averaged over the features."""
    pairs = zip(features_fake, features_real, strict=True)
    return torch.stack([F.l1_loss(fake, real.detach()) for fake, real in pairs]).mean()


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """Divergence of ``N(mu, exp(logvar))`` from the standard normal, summed over batch and latent."""
    return -0.5 * torch.sum(1 + logvar - mu.square() - logvar.exp())
