"""The training loop: generator, discriminator and, with a latent, the image encoder."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.train import losses
from layoutrt.train.averaging import averaged_copy, refresh_statistics, update_average
from layoutrt.train.checkpoint import (
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    save_generator,
    save_tensors,
)
from layoutrt.train.config import TrainingConfig
from layoutrt.train.networks.discriminator import Discriminator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.image_encoder import ImageEncoder, sample_latent
from layoutrt.train.networks.semantics import semantic_tensor

STATE_FILE = "training.safetensors"
GENERATOR_FILE = "generator.safetensors"


def initialise(network: nn.Module, gain: float) -> None:
    """Xavier initialisation of convolutions and linear layers, biases zero, as published."""
    for name, parameter in network.named_parameters():
        if parameter.ndim >= 2:
            nn.init.xavier_normal_(parameter, gain=gain)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)


class Trainer:
    """Everything a run consists of, and one step of it.

    Args:
        config: of the run.
        labels: its label set.
        device: where to train.
    """

    def __init__(self, config: TrainingConfig, labels: LabelSet, device: str = "cpu") -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.labels = labels
        self.device = torch.device(device)
        self.step = 0
        # Crops are seen at the scale of the whole picture, so that is the size the generator is made for.
        # One with a latent makes nothing but its crops' size.
        height, width = (config.height, config.width) if config.latent else config.load_size
        self.generator_config = GeneratorConfig(
            num_classes=labels.num_classes,
            width=config.generator_width,
            hidden=config.hidden,
            predictor_kernel=config.predictor_kernel,
            pyramid_levels=config.pyramid_levels,
            latent=config.latent,
            image_height=height,
            image_width=width,
        )
        self.generator = Generator(self.generator_config)
        self.discriminator = Discriminator(
            self.generator_config.semantic_channels, config.discriminator_width
        )
        self.encoder = ImageEncoder(config.encoder_width, config.latent) if config.latent else None
        for network in self.networks().values():
            initialise(network, config.init_gain)
            network.to(self.device).train()
        self.average = averaged_copy(self.generator)
        rate, betas = config.learning_rate, (0.0, 0.9)
        synthesis = [*self.generator.parameters(), *(self.encoder.parameters() if self.encoder else ())]
        self.generator_optimizer = torch.optim.Adam(synthesis, rate / 2, betas)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), rate * 2, betas)

    def networks(self) -> dict[str, nn.Module]:
        """The trained networks by name."""
        networks: dict[str, nn.Module] = {"generator": self.generator, "discriminator": self.discriminator}
        return networks | ({"encoder": self.encoder} if self.encoder else {})

    def train_step(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """One update of the generator, then one of the discriminator on the same synthesised images.

        Args:
            images: float32 ``[N, 3, H, W]`` in [-1, 1].
            labels: uint8 ``[N, H, W]``.

        Returns:
            The losses by name.

        Raises:
            LayoutRTError: a loss is not finite.
        """
        factor = self.config.rate_factor(self.step)
        for optimizer, share in ((self.generator_optimizer, 0.5), (self.discriminator_optimizer, 2.0)):
            optimizer.param_groups[0]["lr"] = self.config.learning_rate * share * factor
        images = images.to(self.device)
        semantics = semantic_tensor(labels.to(self.device), self.generator_config.num_classes)
        fake, values = self._generator_step(images, semantics)
        values["discriminator"] = self._discriminator_step(images, fake, semantics)
        if self.config.ema_decay:
            # Young runs average over what there is: the first weights are noise.
            decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
            update_average(self.average, self.generator, decay)
        self.step += 1
        return values

    def _generator_step(self, images: Tensor, semantics: Tensor) -> tuple[Tensor, dict[str, float]]:
        self.discriminator.requires_grad_(False)
        terms = {}
        z = None
        if self.encoder:
            mu, logvar = self.encoder(images)
            z = sample_latent(mu, logvar, torch.randn_like(mu))
            terms["kl"] = losses.kl_divergence(mu, logvar) * self.config.kl_weight
        fake = self.generator(semantics, z)
        judged = self.discriminator(fake, semantics)
        with torch.no_grad():
            real = self.discriminator(images, semantics)
        terms["gan"] = losses.hinge_generator(judged.scores)
        terms["features"] = (
            losses.feature_matching(judged.features, real.features) * self.config.feature_weight
        )
        total = torch.stack(list(terms.values())).sum()
        self._check_finite(total, "generator")
        self.generator_optimizer.zero_grad()
        total.backward()
        self.generator_optimizer.step()
        self.discriminator.requires_grad_(True)
        return fake.detach(), {name: term.item() for name, term in terms.items()}

    def _discriminator_step(self, images: Tensor, fake: Tensor, semantics: Tensor) -> float:
        judged = self.discriminator(torch.cat([images, fake]), torch.cat([semantics, semantics]))
        halves = [score.chunk(2) for score in judged.scores]
        loss = losses.hinge_discriminator([real for real, _ in halves], [fake for _, fake in halves])
        self._check_finite(loss, "discriminator")
        self.discriminator_optimizer.zero_grad()
        loss.backward()
        self.discriminator_optimizer.step()
        return loss.item()

    def _check_finite(self, loss: Tensor, name: str) -> None:
        if not torch.isfinite(loss):
            raise LayoutRTError(
                f"the {name} loss is {loss.item()} at step {self.step}; the last checkpoint is kept: "
                "resume from it with a lower --learning-rate"
            )

    @torch.no_grad()
    def sample(self, labels: Tensor) -> Tensor:
        """Images of the averaged generator at z = 0, float32 ``[N, 3, H, W]``, for labels ``[N, H, W]``."""
        semantics = semantic_tensor(labels.to(self.device), self.generator_config.num_classes)
        latent = self.config.latent
        z = torch.zeros(len(labels), latent, device=self.device) if latent else None
        return self.inference_generator()(semantics, z).cpu()

    def inference_generator(self) -> Generator:
        """The generator that is written out and sampled: the average, or the last weights without one."""
        if not self.config.ema_decay:
            self.average.load_state_dict(self.generator.state_dict())
        return self.average

    def save(self, run: Path) -> None:
        """Write the whole state, then the generator alone, each all or nothing."""
        tensors = {
            f"{name}.{key}": tensor
            for name, network in (*self.networks().items(), ("average", self.average))
            for key, tensor in network.state_dict().items()
        }
        tensors |= optimizer_tensors(self.generator_optimizer, "generator_optimizer")
        tensors |= optimizer_tensors(self.discriminator_optimizer, "discriminator_optimizer")
        tensors["random.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        metadata: dict[str, Any] = {"config": self.config.to_dict(), "step": self.step}
        save_tensors(run / STATE_FILE, tensors, "training", metadata)
        self._save_generator(run, self.inference_generator())

    def finish(self, run: Path, labels: Iterable[Tensor]) -> None:
        """Write the generator once more, its norms measured on whole pictures.

        Args:
            run: where `save` wrote.
            labels: batches of label maps, uint8 ``[N, H, W]``, at the size the generator is made for.
        """
        generator = copy.deepcopy(self.inference_generator())
        noise = torch.Generator().manual_seed(self.config.seed)

        def synthesise(batch: Tensor) -> None:
            latent = self.config.latent
            z = torch.randn(len(batch), latent, generator=noise).to(self.device) if latent else None
            semantics = semantic_tensor(batch.to(self.device), self.generator_config.num_classes)
            generator(semantics, z)

        refresh_statistics(generator, labels, synthesise)
        self._save_generator(run, generator)

    def _save_generator(self, run: Path, generator: Generator) -> None:
        save_generator(
            run / GENERATOR_FILE,
            generator.state_dict(),
            self.generator_config,
            self.labels,
            {"training": self.config.to_dict() | {"data": Path(self.config.data).name}, "step": self.step},
        )

    def resume(self, run: Path) -> None:
        """Continue exactly where ``run`` was last saved.

        Raises:
            LayoutRTError: no state there, or one of another configuration.
        """
        tensors, metadata = load_tensors(run / STATE_FILE, "training")
        differences = self.config.differences(metadata["config"])
        if differences:
            raise LayoutRTError(
                f"{run} was trained with another configuration ({'; '.join(differences)}); resume it with "
                "its own, or start a new run with --init"
            )
        self._load_networks(tensors, (*self.networks().items(), ("average", self.average)))
        load_optimizer(self.generator_optimizer, tensors, "generator_optimizer")
        load_optimizer(self.discriminator_optimizer, tensors, "discriminator_optimizer")
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.step = metadata["step"]

    def start_from(self, run: Path) -> None:
        """Take the networks of another run, for instance one at a smaller size; optimisers start afresh.

        Raises:
            LayoutRTError: no state there, or networks of other shapes.
        """
        tensors, _ = load_tensors(run / STATE_FILE, "training")
        try:
            self._load_networks(tensors, (*self.networks().items(), ("average", self.average)))
        except RuntimeError as error:
            detail = str(error).splitlines()[1].strip()
            raise LayoutRTError(f"{run} holds networks of another architecture: {detail}") from None

    @staticmethod
    def _load_networks(tensors: dict[str, Tensor], networks: Iterable[tuple[str, nn.Module]]) -> None:
        for name, network in networks:
            prefix = f"{name}."
            network.load_state_dict(
                {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            )
