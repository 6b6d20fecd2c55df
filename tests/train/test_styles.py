"""A latent that lives: encoded styles come out right in training, in finished generators and exported."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.export.onnx_export.to_onnx import export_onnx
from layoutrt.layouts import label_set
from layoutrt.runtime.session import Session
from layoutrt.train.checkpoint import load_encoder, load_generator
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets import Sample
from layoutrt.train.loop.averaging import update_average
from layoutrt.train.loop.finishing import finished_generator, sample_images
from layoutrt.train.loop.health import FIRST_STEP, WINDOW, Health
from layoutrt.train.loop.run import train
from layoutrt.train.loop.trainer import Trainer
from layoutrt.train.losses import adversarial as losses
from layoutrt.train.networks.encoder_config import EncoderConfig
from layoutrt.train.networks.image_encoder import ImageEncoder

CAMVID = label_set("camvid")
STYLED = TrainingConfig(
    data="",
    label_set="camvid",
    height=64,
    width=64,
    steps=2,
    decay_steps=0,
    batch_size=2,
    architecture="edge",
    generator_width=4,
    hidden=4,
    predictor_kernel=1,
    discriminator_width=4,
    encoder_width=2,
    encoder_colors=4,
    latent=6,
    upsampling="smooth",
    init_gain=1.0,
)


def weather(seed: int, count: int = 4) -> Sample:
    """One layout in as many lights: its images are dark to bright, and their labels the same."""
    random = torch.Generator().manual_seed(seed)
    light = torch.rand(count, 1, 1, 1, generator=random) * 1.6 - 0.8
    labels = torch.zeros(count, 64, 64, dtype=torch.uint8)
    labels[:, 32:] = 3
    images = light.expand(count, 3, 64, 64) * (1 - 0.5 * (labels[:, None] == 3))
    return Sample(images.contiguous(), labels, labels.to(torch.int32))


@pytest.fixture(scope="module")
def styled() -> Trainer:
    """A generator that paints what its encoder saw; taught without the adversary, which takes longer."""
    torch.manual_seed(0)
    trainer = Trainer(STYLED, CAMVID)
    optimizer = torch.optim.Adam(trainer.synthesis.parameters(), 4e-3)
    for step in range(150):
        batch = weather(step)
        noise = torch.randn(4, STYLED.latent)
        made = trainer.synthesis(batch.image, trainer.semantics(batch.labels, batch.instances), noise)
        assert made.posterior is not None
        trainer.measures["nats"] = nats = losses.kl_divergence(*made.posterior)
        optimizer.zero_grad()
        (losses.absolute_difference(made.image, batch.image) + 1e-4 * nats).backward()
        optimizer.step()
        for average, network in zip(
            trainer.averages.values(), (trainer.generator, trainer.encoder), strict=True
        ):
            update_average(average, network, 0.9)
    return trainer


def test_the_divergence_is_that_of_an_image_whatever_the_batch() -> None:
    mu, logvar = torch.randn(1, 8), torch.randn(1, 8)
    one = losses.kl_divergence(mu, logvar)
    torch.testing.assert_close(losses.kl_divergence(mu.repeat(5, 1), logvar.repeat(5, 1)), one)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, torch.exp(logvar / 2)), torch.distributions.Normal(0.0, 1.0)
    ).sum()
    torch.testing.assert_close(one, expected)


def test_a_finished_generator_paints_encoded_styles_as_the_trained_one_does(styled: Trainer) -> None:
    assert styled.measures["nats"] > 1, "the latent lives"
    finished = finished_generator(styled, [weather(1000 + k) for k in range(10)])
    batch = weather(7)
    encoder = styled.inference_encoder()
    assert encoder is not None
    with torch.no_grad():
        z = encoder(batch.image)[0]
        semantics = styled.semantics(batch.labels, batch.instances)
        errors = [
            (network(semantics, z) - batch.image).abs().mean().item()
            for network in (finished, styled.inference_generator())
        ]
        other = (finished(semantics, z.roll(1, 0)) - batch.image).abs().mean().item()
    # Measured with latents of the prior alone it is three times as wrong.
    assert errors[0] < 1.7 * errors[1], "norms measured with latents of the prior alone fail here"
    assert errors[0] < 0.8 * other, "the style is the picture's own"


def test_a_sample_sheet_shows_the_encoded_style_and_several_others(styled: Trainer) -> None:
    encoded, *others = sample_images(styled, weather(3, 2))
    assert len(others) == 4
    assert not torch.allclose(encoded[0], encoded[1], atol=0.02), "two pictures, two styles"
    for images in others:
        torch.testing.assert_close(images[0], images[1])
    assert (others[1] - others[2]).abs().mean() > 0.005


def test_an_encoder_that_reads_colors_tells_pictures_that_instance_norm_makes_alike() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 64, 64) * 0.5
    moved = []
    for colors in (0, 4):
        encoder = ImageEncoder(EncoderConfig(2, 6, colors)).eval()
        with torch.no_grad():
            moved.append((encoder(images - 0.5)[0] - encoder(images + 0.4)[0]).abs().mean())
    assert moved[1] > 2 * moved[0]


@pytest.mark.parametrize("size", [(64, 64), "dynamic"])
def test_an_exported_edge_generator_takes_z_at_any_size(styled: Trainer, tmp_path, size) -> None:
    path = saved(styled, tmp_path)
    dynamic = size == "dynamic"
    export_onnx(path, tmp_path / "model.onnx", dynamic=dynamic, compare=False)
    generator = load_generator(path)[0]
    batch, shape = (2, (32, 96)) if dynamic else (1, (64, 64))
    random = np.random.default_rng(0)
    labels = random.integers(0, 12, (batch, *shape)).astype(np.uint8)
    z = random.standard_normal((batch, 6)).astype(np.float32)
    image = Session(tmp_path / "model.onnx", threads=1).run(labels=labels, z=z)["image"]
    with torch.no_grad():
        semantics = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 12).permute(0, 3, 1, 2)
        expected = (generator(semantics.float(), torch.from_numpy(z)) + 1) * 127.5
    difference = np.abs(image - expected.permute(0, 2, 3, 1).numpy())
    assert difference.max() <= 1.01


def test_a_layout_that_was_set_once_serves_every_style(styled: Trainer, tmp_path) -> None:
    path = saved(styled, tmp_path)
    export_onnx(path, tmp_path / "whole.onnx", compare=False)
    report = export_onnx(path, tmp_path / "split.onnx", cache_layout=True, compare=False)
    assert report.halves is not None
    assert report.halves.render.flops < 0.7 * report.cost.flops, "kernels and gates are the layout's"
    random = np.random.default_rng(1)
    labels = random.integers(0, 12, (1, 64, 64)).astype(np.uint8)
    whole, split = (Session(tmp_path / f"{name}.onnx", threads=1) for name in ("whole", "split"))
    split.set_layout(labels=labels)
    for _ in range(2):
        z = random.standard_normal((1, 6)).astype(np.float32)
        expected = whole.run(labels=labels, z=z)["image"].astype(int)
        assert np.abs(split.render(z=z)["image"].astype(int) - expected).max() <= 1


def test_an_exported_encoder_gives_what_the_trained_one_does(styled: Trainer, tmp_path) -> None:
    saved(styled, tmp_path)
    report = export_onnx(tmp_path / "encoder.safetensors", tmp_path / "encoder.onnx", compare=False)
    assert report.size == (64, 64)
    frame = np.random.default_rng(2).integers(0, 256, (1, 64, 64, 3), np.uint8)
    # Plain ONNX Runtime, without our library.
    session = onnxruntime.InferenceSession(tmp_path / "encoder.onnx", providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["image"]
    mean, log_variance = session.run(["mean", "log_variance"], {"image": frame})
    encoder = load_encoder(tmp_path / "encoder.safetensors")[0]
    with torch.no_grad():
        expected = encoder(torch.from_numpy(frame).permute(0, 3, 1, 2).float() / 127.5 - 1)
    np.testing.assert_allclose(mean, expected[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(log_variance, expected[1].numpy(), atol=1e-4)


def test_a_run_logs_nats_and_keeps_its_encoder(pairs, tmp_path) -> None:
    train(replace(STYLED, data=str(pairs)), tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run" / "losses.jsonl").read_text().splitlines()]
    for record in records:
        assert record["kl"] == pytest.approx(record["nats"] * STYLED.kl_weight)
    encoder, labels, provenance = load_encoder(tmp_path / "run" / "encoder.safetensors")
    assert (encoder.config.colors, labels.name, provenance["step"]) == (4, "camvid", 2)


@pytest.mark.parametrize(("theirs", "ours"), [(8, 0), (8, 6), (0, 6), (6, 6)])
def test_a_teacher_and_a_student_may_have_different_latents(pairs, tmp_path, theirs, ours) -> None:
    teacher = replace(STYLED, data=str(pairs), steps=1, architecture="cc-fpse", latent=theirs)
    teacher = replace(teacher, upsampling="nearest")
    train(teacher, tmp_path / "teacher")
    trainer = Trainer(replace(STYLED, latent=ours, teacher=str(tmp_path / "teacher")), CAMVID)
    values = trainer.train_step(weather(0, 2))
    assert values["distill_output"] > 0
    assert trainer.teacher is not None
    z = trainer.teacher.latent(None, weather(0, 2).image)
    if theirs:
        assert z is not None
        assert z.abs().sum() > 0, "the pictures' own style"


def test_a_teacher_without_encoder_draws_with_the_students_z_or_none(pairs, tmp_path) -> None:
    train(replace(STYLED, data=str(pairs), steps=1), tmp_path / "teacher")
    (tmp_path / "teacher" / "encoder.safetensors").unlink()
    trainer = Trainer(replace(STYLED, teacher=str(tmp_path / "teacher")), CAMVID)
    assert trainer.teacher is not None
    mine, images = torch.randn(2, 6), torch.zeros(2, 3, 64, 64)
    assert trainer.teacher.latent(mine, images) is mine
    assert torch.equal(trainer.teacher.latent(torch.randn(2, 5), images), torch.zeros(2, 6))


def test_an_edge_generator_with_a_latent_refuses_a_missing_one() -> None:
    generator = Trainer(STYLED, CAMVID).generator
    with pytest.raises(LayoutRTError, match=r"this generator needs a latent z of \[N, 6\]"):
        generator(torch.zeros(2, 12, 64, 64), None)


def test_a_collapsed_latent_and_a_won_game_are_warned_of_once() -> None:
    health = Health("pyramid")
    said = []
    for step in range(1, FIRST_STEP + WINDOW):
        said += health.warnings(step, {"discriminator": 0.001}, {"nats": 0.1})
    assert len(said) == 2
    assert said[0].startswith("step 500: the discriminator has won")
    assert "the latent has collapsed (0.1 nats for each image)" in said[1]
    alive = Health("pyramid")
    for step in range(1, FIRST_STEP + WINDOW):
        assert not alive.warnings(step, {"discriminator": 0.5}, {"nats": 3.0})


def saved(trainer: Trainer, folder: Path) -> Path:
    """The generator of ``trainer`` in ``folder``, its encoder beside it."""
    from layoutrt.train.loop.training_state import save_inference_encoder, save_inference_generator

    save_inference_generator(trainer, folder, trainer.inference_generator())
    save_inference_encoder(trainer, folder)
    return folder / "generator.safetensors"
