"""Distillation: a small generator learns from the images and features of a trained one.

The idea is that of GAN Compression (Li et al., CVPR 2020, arXiv 2003.08936, section 3.1): the student also
matches the teacher's intermediate features, through learned 1x1 convolutions. Two terms are added, which a
layout makes possible because both generators answer the same question: the distance between their images, and
between what the teacher's discriminator sees in them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.files import file_digest
from layoutrt.layouts import LabelSet
from layoutrt.train.checkpoint import (
    ENCODER_FILE,
    GENERATOR_FILE,
    STATE_FILE,
    load_encoder,
    load_generator,
    load_tensors,
)
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets.sample import Sample
from layoutrt.train.losses import adversarial as losses
from layoutrt.train.losses.adversaries import build_discriminator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.image_encoder import ImageEncoder
from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.networks.semantics import semantic_tensor
from layoutrt.train.synthesis import Synthesized, captured


class Teacher:
    """A trained generator, and its discriminator where the run that made them is at hand.

    Args:
        path: run folder, or a generator checkpoint alone.

    Attributes:
        generator: generator in evaluation mode, without gradients.
        encoder: likewise, of a run with a latent; or None.
        discriminator: likewise, or None.
        labels: the label set.
        sha256, discriminator_sha256: SHA-256 of the two files; the second may be empty.

    Raises:
        LayoutRTError: nothing there, or nothing that this version can load.
    """

    def __init__(self, path: Path) -> None:
        file = path / GENERATOR_FILE if path.is_dir() else path
        self.path = path
        self.generator, self.labels, _ = load_generator(file)
        self.generator.requires_grad_(False)
        self.sha256 = file_digest(file)
        self.encoder: ImageEncoder | None = None
        encoder = file.with_name(ENCODER_FILE)
        if self.generator.config.latent and encoder.is_file():
            self.encoder = load_encoder(encoder)[0]
            self.encoder.requires_grad_(False)
        self.discriminator: nn.Module | None = None
        self.discriminator_sha256 = ""
        state = path / STATE_FILE
        if path.is_dir() and state.is_file():
            tensors, metadata = load_tensors(state, "training")
            self.discriminator = build_discriminator(
                metadata["config"].get("discriminator", "pyramid"),
                self.labels.num_classes,
                self.generator.config.semantic_channels,
                metadata["config"]["discriminator_width"],
            )
            prefix = "discriminator."
            self.discriminator.load_state_dict(
                {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            )
            self.discriminator.eval().requires_grad_(False)
            self.discriminator_sha256 = file_digest(state)

    def check(self, student: GeneratorConfig, labels: LabelSet, size: tuple[int, int]) -> None:
        """Refuse a student that this teacher cannot teach at ``size`` (height, width).

        Raises:
            LayoutRTError: label set, latent or size do not fit.
        """
        config = self.generator.config
        if self.labels != labels:
            raise LayoutRTError(
                f"the teacher {self.path} draws the labels of '{self.labels.name}' and the student those of "
                f"'{labels.name}'; choose a teacher of the same label set"
            )
        made = (config.image_height, config.image_width)
        multiple = config.size_multiple
        if any(side % multiple for side in size) or (config.fixed_size and size != made):
            needed = f"{made[0]}x{made[1]}" if config.fixed_size else f"multiples of {multiple}"
            raise LayoutRTError(
                f"the teacher {self.path} cannot draw samples of {size[0]}x{size[1]}; "
                f"choose a --size that fits it: {needed}"
            )

    def latent(self, student: Tensor | None, images: Tensor) -> Tensor | None:
        """The ``z`` that it draws with, ``[N, latent]``.

        The style of the pictures themselves where it has an encoder, so that a student whose own encoder saw
        them, or that has no latent, aims at the same look. Else the student's ``z`` if it is as long, or 0.

        Args:
            student: the ``z`` of the student, if it has one.
            images: ``[N, 3, H, W]``, the pictures of the batch.
        """
        length = self.generator.config.latent
        if not length:
            return None
        if self.encoder is not None:
            return self.encoder(images)[0]
        if student is not None and student.shape[1] == length:
            return student
        return images.new_zeros(len(images), length)


class Distillation:
    """The terms that a teacher adds to the generator's loss.

    Args:
        teacher: teacher that fits the student; see `Teacher.check`.
        student: the generator that learns.
        config: holds the weights of the terms; one of 0 is left out.
    """

    def __init__(self, teacher: Teacher, student: AnyGenerator, config: TrainingConfig) -> None:
        self.teacher = teacher
        self.config = config
        theirs, ours = teacher.generator.distillation_points(), student.distillation_points()
        self.strides = tuple(stride for stride in theirs if stride in ours) if config.distill_features else ()
        self.adapters = self._adapters(student) if self.strides else None

    def _adapters(self, student: AnyGenerator) -> nn.ModuleDict:
        before, after = channels(student, self.strides), channels(self.teacher.generator, self.strides)
        return nn.ModuleDict({stride: nn.Conv2d(before[stride], after[stride], 1) for stride in self.strides})

    def to(self, device: torch.device) -> None:
        """Move the teacher and the adapters to ``device``."""
        self.teacher.generator.to(device)
        if self.adapters is not None:
            self.adapters.to(device)
        if self.teacher.encoder:
            self.teacher.encoder.to(device)
        if self.teacher.discriminator:
            self.teacher.discriminator.to(device)

    def terms(self, student: Synthesized, batch: Sample) -> dict[str, Tensor]:
        """Weighted losses by name.

        Args:
            student: the student's output for the batch.
            batch: layouts and pictures.
        """
        config, teacher = self.config, self.teacher
        expected = teacher.generator.config
        semantics = semantic_tensor(
            batch.labels, expected.num_classes, batch.instances if expected.instance_edges else None
        )
        with torch.no_grad(), captured(teacher.generator, self.strides) as features:
            image = teacher.generator(semantics, teacher.latent(student.z, batch.image))
        terms = {}
        if config.distill_output:
            terms["distill_output"] = losses.absolute_difference(student.image, image) * config.distill_output
        if self.strides:
            distances = [
                losses.relative_square_difference(student.features[stride], features[stride])
                for stride in self.strides
            ]
            terms["distill_features"] = torch.stack(distances).mean() * config.distill_features
        if teacher.discriminator and config.distill_discriminator:
            seen = teacher.discriminator(student.image, semantics).features
            with torch.no_grad():
                wanted = teacher.discriminator(image, semantics).features
            terms["distill_discriminator"] = (
                losses.feature_matching(seen, wanted) * config.distill_discriminator
            )
        return terms


@torch.no_grad()
def channels(generator: AnyGenerator, strides: tuple[str, ...]) -> dict[str, int]:
    """Channels of the features at the generator's distillation points, seen in a run on nothing."""
    config, training = generator.config, generator.training
    multiple = config.size_multiple
    size = (config.image_height, config.image_width) if config.fixed_size else (multiple, multiple)
    z = torch.zeros(1, config.latent) if config.latent else None
    # In evaluation mode nothing of the generator changes.
    generator.eval()
    with captured(generator, strides) as features:
        generator(torch.zeros(1, config.semantic_channels, *size), z)
    generator.train(training)
    return {stride: feature.shape[1] for stride, feature in features.items()}
