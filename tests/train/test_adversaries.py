"""The segmentation discriminator, LabelMix, DiffAugment, R1, clipping and shared fakes."""

from dataclasses import replace

import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets import Sample
from layoutrt.train.loop.trainer import Trainer
from layoutrt.train.loop.training_state import resume, save_run
from layoutrt.train.losses.adversaries import (
    LARGEST_CLASS_WEIGHT,
    ClassAdversary,
    HingeAdversary,
    balanced_weights,
    gradient_penalty,
    label_mask,
    mix,
)
from layoutrt.train.losses.differentiable_augmentation import Augmentation
from layoutrt.train.networks.discriminator import Judgment
from layoutrt.train.networks.segmentation_discriminator import SegmentationDiscriminator
from layoutrt.train.networks.semantics import semantic_tensor

CAMVID = label_set("camvid")
TINY = TrainingConfig(
    data="",
    label_set="camvid",
    height=32,
    width=64,
    steps=9,
    decay_steps=0,
    batch_size=2,
    generator_width=2,
    hidden=4,
    predictor_kernel=1,
    discriminator_width=2,
    init_gain=1.0,
)
KINDS = ("color", "translation", "cutout")


@pytest.fixture
def batch() -> Sample:
    torch.manual_seed(0)
    labels = torch.randint(0, 12, (2, 4, 8), dtype=torch.uint8)
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    return Sample(torch.rand(2, 3, 32, 64) * 2 - 1, labels, labels.to(torch.int32))


def test_the_segmentation_discriminator_is_the_papers_in_its_sizes() -> None:
    # Channels of the paper's table of the discriminator.
    discriminator = SegmentationDiscriminator(35, 64)
    widths = [
        [len(block.conv1.weight_orig) for block in part] for part in (discriminator.down, discriminator.up)
    ]
    assert widths == [[128, 128, 256, 256, 512, 512], [512, 256, 256, 128, 128, 64]]


@pytest.mark.parametrize("size", [(64, 64), (32, 96)])
def test_every_pixel_gets_a_score_of_each_class_and_of_fake(size) -> None:
    discriminator = SegmentationDiscriminator(5, 2)
    judged = discriminator(torch.zeros(2, 3, *size), torch.zeros(2, 5, *size))
    assert judged.scores[0].shape == (2, 6, *size)
    assert len(judged.features) == 4


def test_classes_weigh_the_same_however_few_their_pixels_and_void_nothing() -> None:
    labels = torch.zeros(1, 4, 10, 10)
    labels[:, 0, :9] = 1
    labels[:, 1, 9, :5] = 1
    labels[:, 3, 9, 5:] = 1
    weights = balanced_weights(labels.clone(), ignored=3)
    assert weights[0] * 90 == pytest.approx(weights[1] * 5)
    assert (weights[2], weights[3]) == (0, 0), "absent, and void"
    assert (weights * labels.sum((0, 2, 3))).sum() == pytest.approx(95), "1 on average"
    labels = torch.zeros(1, 2, 100, 100)
    labels[:, 0] = 1
    labels[:, :, 0, 0] = torch.tensor([0.0, 1.0])
    assert balanced_weights(labels, None).max() == LARGEST_CLASS_WEIGHT


def test_the_class_losses_are_those_of_the_papers_equations() -> None:
    torch.manual_seed(0)
    adversary = ClassAdversary(3, None)
    labels = torch.nn.functional.one_hot(torch.randint(0, 3, (2, 4, 4)), 3).permute(0, 3, 1, 2).float()
    real, fake = (Judgment([torch.randn(2, 4, 4, 4)], []) for _ in range(2))
    weights = balanced_weights(labels, None)
    index = labels.argmax(1)

    def as_layout(judged: Judgment) -> torch.Tensor:
        plain = torch.nn.functional.cross_entropy(judged.scores[0], index, reduction="none")
        return (weights[index] * plain).mean()

    as_fake = torch.nn.functional.cross_entropy(fake.scores[0], torch.full_like(index, 3))
    torch.testing.assert_close(adversary.generator(fake, labels), as_layout(fake))
    torch.testing.assert_close(adversary.discriminator(real, fake, labels), as_layout(real) + as_fake)


def test_labelmix_takes_every_class_of_a_picture_whole() -> None:
    labels = torch.randint(0, 3, (2, 8, 8), dtype=torch.uint8)
    random = torch.tensor([[0.1, 0.9, 0.2], [0.8, 0.1, 0.7]])
    mask = label_mask(semantic_tensor(labels, 3), 3, random)
    mixed = mix(mask, torch.ones(2, 3, 8, 8), torch.zeros(2, 3, 8, 8))
    expected = torch.stack([torch.where(labels[0] != 1, 1.0, 0.0), torch.where(labels[1] == 1, 1.0, 0.0)])
    assert torch.equal(mixed, expected[:, None].expand(2, 3, 8, 8))


def test_augmented_layouts_move_and_are_cut_with_their_pictures() -> None:
    ramp = torch.linspace(-1, 1, 64).expand(3, 1, 32, 64).contiguous()
    augmentation = Augmentation.draw(("translation", "cutout"), 0, 5, 3)
    images, maps = augmentation.images(ramp.expand(3, 3, 32, 64)), augmentation.maps(ramp)
    assert torch.equal(images[:, :1], maps)
    assert not torch.equal(maps, ramp)
    assert (maps == 0).float().mean() > 0.05, "something is cut out"
    whole = Augmentation.draw(KINDS, 0, 5, 4)
    part = whole.part(1, 2)
    x = torch.rand(4, 3, 32, 64)
    torch.testing.assert_close(whole.images(x)[1:3], part.images(x[1:3]))


def test_augmented_colors_stay_within_the_papers_ranges_and_pass_gradients() -> None:
    images = (torch.rand(6, 3, 16, 16) * 2 - 1).requires_grad_()
    augmentation = Augmentation.draw(("color",), 1, 0, 6)
    changed = augmentation.images(images)
    for before, after, brightness in zip(images, changed, augmentation.brightness, strict=True):
        assert (after.mean() - before.mean()).item() == pytest.approx(brightness - 0.5, abs=1e-5)
    changed.sum().backward()
    assert images.grad is not None
    assert images.grad.abs().min() > 0


def test_r1_is_half_the_squared_gradient() -> None:
    images = torch.rand(2, 3, 4, 4, requires_grad=True)
    penalty = gradient_penalty((3 * images).sum((1, 2, 3)), images)
    assert penalty.item() == pytest.approx(9 * 48 / 2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"discriminator": "segmentation"},
        {"discriminator": "segmentation", "fakes": "shared", "labelmix_weight": 0.0, "feature_weight": 0.0},
        {"augment": "color,translation,cutout", "fakes": "shared", "r1_weight": 1.0},
        {"clip_gradients": 0.5, "precision": "bf16", "fakes": "shared"},
    ],
)
def test_every_recipe_trains_all_its_weights_and_resumes_exactly(batch, tmp_path, options) -> None:
    config = replace(TINY, latent=4, encoder_width=2, **options)
    trainer, again = Trainer(config, CAMVID), Trainer(config, CAMVID)
    before = {name: network.state_dict() for name, network in trainer.networks.items()}
    before = {name: {key: t.clone() for key, t in state.items()} for name, state in before.items()}
    trainer.train_step(batch)
    for name, network in trainer.networks.items():
        idle = [key for key, p in network.named_parameters() if torch.equal(p, before[name][key])]
        # The shortcut's bias in front of a norm has no effect, and neither do scores of absent classes.
        assert not [key for key in idle if "bias" not in key], name
    save_run(trainer, tmp_path)
    resume(again, tmp_path)
    assert again.train_step(batch) == trainer.train_step(batch)


def test_shared_fakes_give_each_optimizer_its_own_gradients(batch) -> None:
    """The generator's step is that of new fakes; the discriminator's gradients are its own loss's alone."""
    shared, anew = (Trainer(replace(TINY, fakes=fakes), CAMVID) for fakes in ("shared", "anew"))
    first, second = shared.train_step(batch), anew.train_step(batch)
    assert first["gan"] == pytest.approx(second["gan"], rel=1e-4)
    for (name, p), q in zip(shared.generator.named_parameters(), anew.generator.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=2e-2, atol=2e-3, msg=name)
    # The same judgment by hand, of the images that the generator made before its update.
    trainer = Trainer(replace(TINY, fakes="shared"), CAMVID)
    semantics = trainer.semantics(batch.labels, batch.instances)
    fake = trainer.generator(semantics, None).detach()
    judged = [trainer.discriminator(images, semantics) for images in (fake, batch.image)]
    HingeAdversary().discriminator(judged[1], judged[0], semantics).backward()
    for (name, p), q in zip(
        shared.discriminator.named_parameters(), trainer.discriminator.parameters(), strict=True
    ):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_clipped_gradients_have_at_most_that_norm(batch) -> None:
    trainer = Trainer(replace(TINY, clip_gradients=0.01), CAMVID)
    trainer.train_step(batch)
    for network in trainer.networks.values():
        norms = [p.grad.norm() for p in network.parameters() if p.grad is not None]
        assert torch.stack(norms).norm() <= 0.01001


def test_r1_is_computed_now_and_then(batch) -> None:
    trainer = Trainer(replace(TINY, r1_weight=1.0), CAMVID)
    assert ["r1" in trainer.train_step(batch) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("field", "value"),
    [("discriminator", "patch"), ("fakes", "old"), ("augment", "color,zoom"), ("encoder_colors", 3)],
)
def test_unknown_options_of_the_recipe_are_refused(field, value) -> None:
    with pytest.raises(LayoutRTError, match=f"training configuration: {field} = {value} is out of range"):
        replace(TINY, **{field: value})
