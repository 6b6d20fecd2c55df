"""One training step: generator, discriminator and, with a latent, the image encoder."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.train import losses
from layoutrt.train.averaging import averaged_copy, refresh_statistics, update_average
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets.sample import Sample
from layoutrt.train.distillation import Distillation, Teacher
from layoutrt.train.distributed import Processes, mean_over_processes, share_gradients, share_statistics
from layoutrt.train.networks.discriminator import Discriminator
from layoutrt.train.networks.image_encoder import ImageEncoder
from layoutrt.train.networks.registry import AnyGenerator, build_generator
from layoutrt.train.networks.semantics import semantic_tensor
from layoutrt.train.perceptual import perceptual_loss
from layoutrt.train.precision import autocast, loss_scaler
from layoutrt.train.recomputation import recompute_blocks
from layoutrt.train.synthesis import Synthesis, step_noise


def initialise(network: nn.Module, gain: float) -> None:
    """Xavier initialisation of convolutions and linear layers, biases zero, as published."""
    for name, parameter in network.named_parameters():
        if parameter.ndim >= 2:
            nn.init.xavier_normal_(parameter, gain=gain)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


class Trainer:
    """Everything a run consists of, and one step of it; `training_state` writes and reads it.

    Args:
        config: of the run.
        labels: its label set.
        device: where to train.
        processes: this process among those that train together.
        compile: whether to compile generator and discriminator.
        recompute: whether backward computes the generator's blocks again instead of keeping them in memory.

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
        self.generator_config = config.generator_config(labels.num_classes)
        self.generator: AnyGenerator = build_generator(self.generator_config)
        self.discriminator = Discriminator(
            self.generator_config.semantic_channels, config.discriminator_width
        )
        self.encoder = ImageEncoder(config.encoder_width, config.latent) if config.latent else None
        for network in self.networks.values():
            initialise(network, config.init_gain)
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
        self._prepare(compile, recompute)

    def _prepare(self, compile: bool, recompute: bool) -> None:
        """Optimisers, and what changes how the networks run but not what they are."""
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
            # In place: the names in the state dicts stay as they are.
            self.generator.compile()
            self.discriminator.compile()
        adapters = self.distillation.adapters if self.distillation else None
        synthesis = Synthesis(self.generator, self.encoder, adapters)
        rate, betas = self.config.learning_rate, (0.0, 0.9)
        self.generator_optimizer = torch.optim.Adam(synthesis.parameters(), rate / 2, betas)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), rate * 2, betas)
        self.generator_scaler = loss_scaler(self.config.precision, self.device)
        self.discriminator_scaler = loss_scaler(self.config.precision, self.device)
        share = share_gradients if self.processes.count > 1 else lambda network: network
        self._synthesise, self._judge = share(synthesis), share(self.discriminator)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The trained networks by name, without the adapters of distillation."""
        networks: dict[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        return networks | ({"encoder": self.encoder} if self.encoder else {})

    def train_step(self, batch: Sample) -> dict[str, float]:
        """One update of the generator, then one of the discriminator on the same synthesised images.

        Args:
            batch: of this process.

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
        fake, values = self._generator_step(batch, semantics)
        values |= self._discriminator_step(batch.image, fake, semantics)
        if self.config.ema_decay:
            # Young runs average over what there is: the first weights are noise.
            decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
            update_average(self.average, self.generator, decay)
        self.step += 1
        return values

    def semantics(self, labels: Tensor, instances: Tensor) -> Tensor:
        """What the networks read of a layout: float32 ``[N, S, H, W]``."""
        config = self.generator_config
        return semantic_tensor(labels, config.num_classes, instances if config.instance_edges else None)

    def _generator_step(self, batch: Sample, semantics: Tensor) -> tuple[Tensor, dict[str, float]]:
        config = self.config
        self.discriminator.requires_grad_(False)
        with autocast(config.precision, self.device):
            made = self._synthesise(batch.image, semantics, self._noise(len(batch.image)))
            judged = self.discriminator(made.image, semantics)
            with torch.no_grad():
                real = self.discriminator(batch.image, semantics)
            terms = {}
            if made.posterior:
                # A sum over the batch of all processes, whose gradients are averaged.
                weight = config.kl_weight * self.processes.count
                terms["kl"] = losses.kl_divergence(*made.posterior) * weight
            terms["gan"] = losses.hinge_generator(judged.scores)
            matched = losses.feature_matching(judged.features, real.features)
            terms["features"] = matched * config.feature_weight
            if self.perceptual:
                terms["perceptual"] = self.perceptual(made.image, batch.image) * config.perceptual_weight
            if self.distillation:
                terms |= self.distillation.terms(made, batch.labels, batch.instances)
        values = self._update("generator", terms, self.generator_optimizer, self.generator_scaler)
        self.discriminator.requires_grad_(True)
        return made.image.detach(), values

    def _discriminator_step(self, images: Tensor, fake: Tensor, semantics: Tensor) -> dict[str, float]:
        with autocast(self.config.precision, self.device):
            judged = self._judge(torch.cat([images, fake]), torch.cat([semantics, semantics]))
            halves = [score.chunk(2) for score in judged.scores]
            loss = losses.hinge_discriminator([real for real, _ in halves], [fake for _, fake in halves])
        terms = {"discriminator": loss}
        return self._update("discriminator", terms, self.discriminator_optimizer, self.discriminator_scaler)

    def _update(
        self,
        name: str,
        terms: dict[str, Tensor],
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
    ) -> dict[str, float]:
        """One step of an optimiser on the sum of ``terms``; their values, means over the processes."""
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
        scaler.scale(parts.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        return dict(zip(terms, values.tolist(), strict=True))

    def _noise(self, count: int) -> Tensor | None:
        if not self.config.latent:
            return None
        everyone = step_noise(self.config.seed, self.step, count * self.processes.count, self.config.latent)
        return everyone[self.processes.rank * count :][:count].to(self.device)

    @torch.no_grad()
    def sample(self, labels: Tensor, instances: Tensor) -> Tensor:
        """Images of the averaged generator at z = 0.

        Args:
            labels: uint8 ``[N, H, W]``.
            instances: int32 ``[N, H, W]``.

        Returns:
            float32 ``[N, 3, H, W]`` in [-1, 1], on the CPU.
        """
        latent = self.config.latent
        z = torch.zeros(len(labels), latent, device=self.device) if latent else None
        semantics = self.semantics(labels.to(self.device), instances.to(self.device))
        return self.inference_generator()(semantics, z).cpu()

    def inference_generator(self) -> AnyGenerator:
        """The generator that is written out and sampled: the average, or the last weights without one."""
        if not self.config.ema_decay:
            self.average.load_state_dict(self.generator.state_dict())
        return self.average

    def finished_generator(self, batches: Iterable[Sample]) -> AnyGenerator:
        """A copy of the inference generator with its norms measured on whole pictures.

        Args:
            batches: whose layouts have the size that the generator is made for.
        """
        generator = copy.deepcopy(self.inference_generator())
        noise = torch.Generator().manual_seed(self.config.seed)

        def synthesise(batch: Sample) -> None:
            latent = self.config.latent
            z = torch.randn(len(batch.labels), latent, generator=noise).to(self.device) if latent else None
            generator(self.semantics(batch.labels.to(self.device), batch.instances.to(self.device)), z)

        refresh_statistics(generator, batches, synthesise)
        return generator
