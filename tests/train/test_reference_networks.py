"""Our networks give the numbers of the published ones: vectors in ``tests/data/reference``."""

import numpy as np
import pytest
import torch

from layoutrt.train.losses import adversarial as losses
from layoutrt.train.networks.encoder_config import EncoderConfig
from layoutrt.train.networks.image_encoder import ImageEncoder
from tests.support.reference_case import UNUSED, Case, rule_state

CASES = ("coco_vae", "coco_no_vae", "encoder")


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@torch.no_grad()
def test_generator_gives_the_published_image(case: Case) -> None:
    z = case.tensor("z") if case.config.latent else None
    torch.testing.assert_close(case.generator(case.semantics, z), case.tensor("image"), atol=1e-4, rtol=0)


@torch.no_grad()
def test_discriminator_gives_the_published_scores_features_and_losses(case: Case) -> None:
    image = case.tensor("image")
    judged = case.discriminator(
        torch.cat([image, image.flip(3)]), torch.cat([case.semantics, case.semantics])
    )
    for k, score in enumerate(judged.scores):
        torch.testing.assert_close(score, case.tensor(f"disc_pred{k}"), atol=1e-3, rtol=0)
    for k, feature in enumerate(judged.features):
        expected = case.tensor(f"disc_feat{k}_mean_std")
        torch.testing.assert_close(
            torch.stack([feature.mean(), feature.std()]), expected, atol=1e-4, rtol=1e-4
        )
    first = [score[:2] for score in judged.scores]
    nothing = [torch.full_like(score, 9.0) for score in first]
    fake = losses.hinge_discriminator(nothing, first)
    real = losses.hinge_discriminator(first, [-score for score in nothing])
    generator = losses.hinge_generator(first)
    for value, name in ((fake, "hinge_d_fake"), (real, "hinge_d_real"), (generator, "hinge_g")):
        assert value.item() == pytest.approx(case.vectors[name].item(), abs=1e-4)


@torch.no_grad()
def test_encoder_gives_the_published_posterior() -> None:
    case = Case("encoder")
    salt = case.facts["salt"]
    encoder = ImageEncoder(EncoderConfig(case.facts["options"]["ngf"])).eval()
    encoder.load_state_dict(rule_state(case.facts["encoder_state"], salt + 2))
    image = np.random.RandomState(9 + salt).uniform(-1, 1, (1, 3, 256, 256)).astype(np.float32)
    mu, logvar = encoder(torch.from_numpy(image))
    torch.testing.assert_close(mu, case.tensor("enc_mu"), atol=1e-4, rtol=0)
    torch.testing.assert_close(logvar, case.tensor("enc_logvar"), atol=1e-4, rtol=0)


def test_every_published_tensor_is_used_or_known_to_be_unused(case: Case) -> None:
    ours = set(case.generator.state_dict())
    published = set(case.facts["generator_state"])
    assert ours <= published
    assert all(name.split(".", 1)[1].startswith(UNUSED) for name in published - ours)
