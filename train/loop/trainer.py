"""One training step: generator, discriminator and, with a latent, the image encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets.sample import Sample
from layoutrt.train.loop.averaging import averaged_copy, update_average
from layoutrt.train.losses import adversarial as losses
from layoutrt.train.losses.adversaries import (
    Adversary,
    ClassAdversary,
    HingeAdversary,
    build_discriminator,
    gradient_penalty,
    label_mask,
    mix,
)
from layoutrt.train.losses.differentiable_augmentation import Augmentation
from layoutrt.train.losses.distillation import Distillation, Teacher
from layoutrt.train.losses.perceptual import perceptual_loss
from layoutrt.train.networks.discriminator import Judgment
from layoutrt.train.networks.image_encoder import ImageEncoder
from layoutrt.train.networks.registry import AnyGenerator, build_generator
from layoutrt.train.networks.semantics import semantic_tensor
from layoutrt.train.scaling.distributed import (
    Processes,
    average_gradients,
    mean_over_processes,
    share_gradients,
    share_statistics,
)
from layoutrt.train.scaling.precision import autocast, loss_scaler
from layoutrt.train.scaling.recomputation import recompute_blocks
from layoutrt.train.synthesis import Synthesis, Synthesized, step_noise

R1_EVERY = 16
"""Steps between two penalties, each weighing as much more (Karras et al., arXiv 1912.04958, appendix B)."""


def initialize(network: nn.Module, gain: float) -> None:
    """Xavier initialization of convolutions and linear layers, biases zero, as published."""
    for name, parameter in network.named_parameters():
        if parameter.ndim >= 2:
            nn.init.xavier_normal_(parameter, gain=gain)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


class Seen(NamedTuple):
    """Inputs of the discriminator in a step, all of them augmented alike."""

    real: Tensor
    fake: Tensor
    semantics: Tensor


class Trainer:
    """Everything a run consists of, and one step of it; `training_state` writes and reads it.

    Args:
        config: configuration of the run.
        labels: its label set.
        device: device to train on.
        processes: this process among those that train together.
        compile: true to compile generator and discriminator.
        recompute: true if backward computes the generator's blocks again instead of keeping them in memory.

    Raises:
        LayoutRTError: the networks cannot be built, or the files of the perceptual loss or of the teacher
            cannot be used.
    """

    def __init__(
        self,
        config: TrainingConfig,
        labels: LabelSet,
        device: str = "cpu",
        *,
        processes: Processes = Processes(),  # noqa: B008
        compile: bool = False,
        recompute: bool = False,
    ) -> None:
        torch.manual_seed(config.seed)
        self.labels = labels
        self.device = torch.device(device)
        self.processes = processes
        self.step = 0
        self.measures: dict[str, float] = {}
        """Measures of the last step besides its losses: ``nats`` of the latent for each image."""
        self.generator_config = config.generator_config(labels.num_classes)
        self.generator: AnyGenerator = build_generator(self.generator_config)
        self.discriminator = build_discriminator(
            config.discriminator,
            labels.num_classes,
            self.generator_config.semantic_channels,
            config.discriminator_width,
        )
        self.adversary: Adversary = (
            ClassAdversary(labels.num_classes, labels.dont_care)
            if config.discriminator == "segmentation"
            else HingeAdversary()
        )
        self.encoder = ImageEncoder(config.encoder_config()) if config.latent else None
        for network in self.networks.values():
            initialize(network, config.init_gain)
        self.perceptual = perceptual_loss(config.perceptual, config.perceptual_file)
        self.teacher = Teacher(Path(config.teacher)) if config.teacher else None
        self.distillation: Distillation | None = None
        if self.teacher:
            self.teacher.check(self.generator_config, labels, (config.height, config.width))
            self.distillation = Distillation(self.teacher, self.generator, config)
            self.distillation.to(self.device)
        if self.perceptual:
            self.perceptual.network.to(self.device)
        self.config = replace(
            config,
            perceptual_sha256=self.perceptual.sha256 if self.perceptual else "",
            teacher_sha256=self.teacher.sha256 if self.teacher else "",
            teacher_discriminator_sha256=self.teacher.discriminator_sha256 if self.teacher else "",
        )
        for network in self.networks.values():
            network.to(self.device).train()
        self.average = averaged_copy(self.generator)
        self.encoder_average = averaged_copy(self.encoder) if self.encoder else None
        self._prepare(compile, recompute)

    def _prepare(self, compile: bool, recompute: bool) -> None:
        """Optimizers, and what changes how the networks run but not what they are."""
        if recompute and compile:
            raise LayoutRTError(
                "--checkpoint-blocks and --compile exclude each other; a compiled network chooses by itself "
                "what it keeps in memory"
            )
        if self.processes.count > 1:
            self.generator = share_statistics(self.generator)
        if recompute:
            recompute_blocks(self.generator)
        if compile:
            # Two backward passes go through one graph of the discriminator.
            torch._functorch.config.donated_buffer = False  # type: ignore[attr-defined]
            # In place: the names in the state dicts stay as they are.
            self.generator.compile()
            self.discriminator.compile()
        adapters = self.distillation.adapters if self.distillation else None
        self.synthesis = Synthesis(self.generator, self.encoder, adapters)
        rate, betas = self.config.learning_rate, (0.0, 0.9)
        self.generator_optimizer = torch.optim.Adam(self.synthesis.parameters(), rate / 2, betas)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), rate * 2, betas)
        self.generator_scaler = loss_scaler(self.config.precision, self.device)
        self.discriminator_scaler = loss_scaler(self.config.precision, self.device)
        # The discriminator is called several times in a step; `average_gradients` shares its gradients.
        self._synthesize = share_gradients(self.synthesis) if self.processes.count > 1 else self.synthesis

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The trained networks by name, without the adapters of distillation."""
        networks: dict[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        return networks | ({"encoder": self.encoder} if self.encoder else {})

    @property
    def averages(self) -> dict[str, nn.Module]:
        """The averaged networks by name."""
        averages: dict[str, nn.Module] = {"average": self.average}
        return averages | ({"encoder_average": self.encoder_average} if self.encoder_average else {})

    def train_step(self, batch: Sample) -> dict[str, float]:
        """One update of the generator, then one of the discriminator.

        The discriminator gets images that the updated generator makes anew, as in the published training, or
        those of the generator's step (``fakes = "shared"``), whose judgment then serves both updates.

        Args:
            batch: batch of this process.

        Returns:
            The weighted losses by name, means over the processes.

        Raises:
            LayoutRTError: a loss is not finite.
        """
        factor = self.config.rate_factor(self.step)
        for optimizer, share in ((self.generator_optimizer, 0.5), (self.discriminator_optimizer, 2.0)):
            optimizer.param_groups[0]["lr"] = self.config.learning_rate * share * factor
        batch = Sample(*(part.to(self.device) for part in batch))
        semantics = self.semantics(batch.labels, batch.instances)
        step = self._shared_step if self.config.fakes == "shared" else self._step_of_new_fakes
        values = step(batch, semantics, self._augmentation(len(batch.image)))
        if self.config.ema_decay:
            # Young runs average over what there is: the first weights are noise.
            decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
            update_average(self.average, self.generator, decay)
            if self.encoder and self.encoder_average:
                update_average(self.encoder_average, self.encoder, decay)
        self.step += 1
        return values

    def semantics(self, labels: Tensor, instances: Tensor) -> Tensor:
        """The layout as the networks read it: float32 ``[N, S, H, W]``."""
        config = self.generator_config
        return semantic_tensor(labels, config.num_classes, instances if config.instance_edges else None)

    def _step_of_new_fakes(
        self, batch: Sample, semantics: Tensor, augmentation: Augmentation | None
    ) -> dict[str, float]:
        self.discriminator.requires_grad_(False)
        with autocast(self.config.precision, self.device):
            made = self._synthesize(batch.image, semantics, self._noise(len(batch.image)))
            seen = _seen(batch.image, made.image, semantics, augmentation)
            judged = self.discriminator(seen.fake, seen.semantics)
            with torch.no_grad():
                real = self.discriminator(seen.real, seen.semantics)
            terms = self._generator_terms(batch, made, judged, real, seen)
        values = self._update("generator", terms)
        self.discriminator.requires_grad_(True)
        with autocast(self.config.precision, self.device):
            with torch.no_grad():
                noise = self._noise(len(batch.image), again=True)
                made = self.synthesis(batch.image, semantics, noise)
                seen = _seen(batch.image, made.image, semantics, augmentation)
            both = torch.cat([seen.real, seen.fake])
            real, fake = _halves(self.discriminator(both, torch.cat([seen.semantics, seen.semantics])))
            terms = self._discriminator_terms(seen, real, fake)
        return values | self._update("discriminator", terms)

    def _shared_step(
        self, batch: Sample, semantics: Tensor, augmentation: Augmentation | None
    ) -> dict[str, float]:
        with autocast(self.config.precision, self.device):
            made = self._synthesize(batch.image, semantics, self._noise(len(batch.image)))
            seen = _seen(batch.image, made.image, semantics, augmentation)
            fake = self.discriminator(seen.fake, seen.semantics)
            real = self.discriminator(seen.real, seen.semantics)
            terms = self._generator_terms(batch, made, fake, real, seen)
        values = self._update("generator", terms, retain=True)
        with autocast(self.config.precision, self.device):
            terms = self._discriminator_terms(seen, real, fake)
        return values | self._update("discriminator", terms)

    def _generator_terms(
        self, batch: Sample, made: Synthesized, fake: Judgment, real: Judgment, seen: Seen
    ) -> dict[str, Tensor]:
        config = self.config
        terms = {}
        if made.posterior:
            nats = losses.kl_divergence(*made.posterior)
            self.measures["nats"] = mean_over_processes(nats.detach()).item()
            terms["kl"] = nats * config.kl_weight
        terms["gan"] = self.adversary.generator(fake, seen.semantics)
        if config.feature_weight:
            matched = losses.feature_matching(fake.features, real.features)
            terms["features"] = matched * config.feature_weight
        if self.perceptual:
            terms["perceptual"] = self.perceptual(made.image, batch.image) * config.perceptual_weight
        if self.distillation:
            terms |= self.distillation.terms(made, batch)
        return terms

    def _discriminator_terms(self, seen: Seen, real: Judgment, fake: Judgment) -> dict[str, Tensor]:
        config = self.config
        terms = {"discriminator": self.adversary.discriminator(real, fake, seen.semantics)}
        if config.discriminator == "segmentation" and config.labelmix_weight:
            classes = self.labels.num_classes
            mask = label_mask(seen.semantics, classes, self._uniform(len(seen.real), classes))
            mixed = self.discriminator(mix(mask, seen.real, seen.fake.detach()), seen.semantics)
            expected = mix(mask, real.scores[0].float(), fake.scores[0].float())
            difference = (mixed.scores[0].float() - expected).square().mean()
            terms["labelmix"] = difference * config.labelmix_weight
        if config.r1_weight and self.step % R1_EVERY == 0:
            # Gradients of gradients, in float32.
            with torch.autocast(self.device.type, enabled=False):
                images = seen.real.detach().float().requires_grad_()
                realness = self.adversary.realness(self.discriminator(images, seen.semantics))
                penalty = gradient_penalty(realness, images)
            terms["r1"] = penalty * config.r1_weight * R1_EVERY
        return terms

    def _update(self, name: str, terms: dict[str, Tensor], *, retain: bool = False) -> dict[str, float]:
        """One step of an optimizer on the sum of ``terms``; their values, means over the processes.

        Args:
            name: ``"generator"`` or ``"discriminator"``.
            terms: losses by name.
            retain: keep the graph for the other optimizer, whose parameters get no gradients from this.
        """
        generator = name == "generator"
        optimizer = self.generator_optimizer if generator else self.discriminator_optimizer
        scaler = self.generator_scaler if generator else self.discriminator_scaler
        parts = torch.stack(list(terms.values()))
        # All processes look at the mean: they stop together.
        values = mean_over_processes(parts.detach())
        total = values.sum().item()
        if not torch.isfinite(values).all():
            raise LayoutRTError(
                f"the {name} loss is {total} at step {self.step}; the last checkpoint is kept: "
                "resume from it with a lower --learning-rate"
            )
        optimizer.zero_grad()
        parameters = optimizer.param_groups[0]["params"]
        scaler.scale(parts.sum()).backward(inputs=parameters, retain_graph=retain)
        if not generator:
            average_gradients(self.discriminator)
        if self.config.clip_gradients:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(parameters, self.config.clip_gradients)
        scaler.step(optimizer)
        scaler.update()
        return dict(zip(terms, values.tolist(), strict=True))

    def _noise(self, count: int, again: bool = False) -> Tensor | None:
        if not self.config.latent:
            return None
        together = count * self.processes.count
        everyone = step_noise(self.config.seed, self.step, together, self.config.latent, again)
        return everyone[self.processes.rank * count :][:count].to(self.device)

    def _augmentation(self, count: int) -> Augmentation | None:
        if not self.config.augmentations:
            return None
        together = count * self.processes.count
        everyone = Augmentation.draw(self.config.augmentations, self.config.seed, self.step, together)
        return everyone.part(self.processes.rank * count, count)

    def _uniform(self, count: int, length: int) -> Tensor:
        seeds = np.random.SeedSequence(self.config.seed, spawn_key=(self.step, 3))
        together = np.random.default_rng(seeds).random((count * self.processes.count, length), np.float32)
        return torch.from_numpy(together[self.processes.rank * count :][:count]).to(self.device)

    def inference_generator(self) -> AnyGenerator:
        """The generator that is written out and sampled: the average, or the last weights without one."""
        if not self.config.ema_decay:
            self.average.load_state_dict(self.generator.state_dict())
        return self.average

    def inference_encoder(self) -> ImageEncoder | None:
        """The encoder that is written out beside it, where there is a latent."""
        if self.encoder and self.encoder_average and not self.config.ema_decay:
            self.encoder_average.load_state_dict(self.encoder.state_dict())
        return self.encoder_average


def _seen(real: Tensor, fake: Tensor, semantics: Tensor, augmentation: Augmentation | None) -> Seen:
    if augmentation is None:
        return Seen(real, fake, semantics)
    return Seen(augmentation.images(real), augmentation.images(fake), augmentation.maps(semantics))


def _halves(judged: Judgment) -> tuple[Judgment, Judgment]:
    """The discriminator's outputs for the real and for the synthesized half of a batch."""
    scores = [score.chunk(2) for score in judged.scores]
    features = [feature.chunk(2) for feature in judged.features]
    first, second = (Judgment([part[k] for part in scores], [part[k] for part in features]) for k in (0, 1))
    return first, second
