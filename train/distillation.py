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
from layoutrt.train import losses
from layoutrt.train.checkpoint import load_generator, load_tensors
from layoutrt.train.config import TrainingConfig
from layoutrt.train.networks.discriminator import Discriminator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.networks.semantics import semantic_tensor
from layoutrt.train.run_files import GENERATOR_FILE, STATE_FILE
from layoutrt.train.synthesis import Synthesised, captured


class Teacher:
    """A trained generator, and its discriminator where the run that made them is at hand.

    Args:
        path: run folder, or a generator checkpoint alone.

    Attributes:
        generator: in evaluation mode, without gradients.
        discriminator: likewise, or None.
        labels: the label set.
        sha256, discriminator_sha256: of the two files; the second may be empty.

    Raises:
        LayoutRTError: nothing there, or nothing that this version can load.
    """

    def __init__(self, path: Path) -> None:
        file = path / GENERATOR_FILE if path.is_dir() else path
        self.path = path
        self.generator, self.labels, _ = load_generator(file)
        self.generator.requires_grad_(False)
        self.sha256 = file_digest(file)
        self.discriminator: Discriminator | None = None
        self.discriminator_sha256 = ""
        state = path / STATE_FILE
        if path.is_dir() and state.is_file():
            tensors, metadata = load_tensors(state, "training")
            self.discriminator = Discriminator(
                self.generator.config.semantic_channels, metadata["config"]["discriminator_width"]
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
        if config.latent != student.latent:
            raise LayoutRTError(
                f"the teacher {self.path} has a latent of {config.latent} and the student one of "
                f"{student.latent}; train the student with --latent {config.latent}"
            )
        made = (config.image_height, config.image_width)
        multiple = config.size_multiple
        if any(side % multiple for side in size) or (config.latent and size != made):
            needed = f"{made[0]}x{made[1]}" if config.latent else f"multiples of {multiple}"
            raise LayoutRTError(
                f"the teacher {self.path} cannot draw samples of {size[0]}x{size[1]}; "
                f"choose a --size that fits it: {needed}"
            )


class Distillation:
    """The terms that a teacher adds to the generator's loss.

    Args:
        teacher: that fits the student; see `Teacher.check`.
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
        if self.teacher.discriminator:
            self.teacher.discriminator.to(device)

    def terms(self, student: Synthesised, labels: Tensor, instances: Tensor) -> dict[str, Tensor]:
        """Weighted losses by name.

        Args:
            student: what the student made of the batch.
            labels: uint8 ``[N, H, W]``.
            instances: int32 ``[N, H, W]``.
        """
        config, teacher = self.config, self.teacher
        expected = teacher.generator.config
        semantics = semantic_tensor(
            labels, expected.num_classes, instances if expected.instance_edges else None
        )
        with torch.no_grad(), captured(teacher.generator, self.strides) as features:
            image = teacher.generator(semantics, student.z)
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
    size = (config.image_height, config.image_width) if config.latent else (multiple, multiple)
    z = torch.zeros(1, config.latent) if config.latent else None
    # In evaluation mode nothing of the generator changes.
    generator.eval()
    with captured(generator, strides) as features:
        generator(torch.zeros(1, config.semantic_channels, *size), z)
    generator.train(training)
    return {stride: feature.shape[1] for stride, feature in features.items()}
