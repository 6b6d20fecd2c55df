"""Training of the segmenter: weighted cross-entropy on randomly scaled, mirrored and recolored frames."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.train.checkpoint import (
    STATE_FILE,
    load_optimizer,
    load_tensors,
    optimizer_tensors,
    save_segmenter,
    save_tensors,
)
from layoutrt.train.loop.averaging import averaged_copy, refresh_statistics, update_average
from layoutrt.train.networks.segmenter import Segmenter
from layoutrt.train.networks.segmenter_config import SegmenterConfig
from layoutrt.train.segmenter.config import SegmenterTrainingConfig

SEGMENTER_FILE = "segmenter.safetensors"
IGNORED = -1


def class_weights(pixels: Tensor) -> Tensor:
    """``1 / ln(1.02 + share)`` (ENet, arXiv 1606.02147, section 5.2).

    A class without pixels has the largest weight: the counted samples may have missed a rare one.

    Args:
        pixels: ``[L]``, pixels of each class in samples of the training set.
    """
    share = pixels / pixels.sum().clamp(min=1)
    return (1 / torch.log(1.02 + share)).float()


def recolor(images: Tensor, strength: float, random: np.random.Generator) -> Tensor:
    """Change brightness, contrast and channel gains of each image.

    Args:
        images: float32 ``[N, 3, H, W]`` in [-1, 1].
        strength: largest relative change.
        random: source of the changes.
    """
    n = len(images)
    draw = lambda *shape: torch.from_numpy(random.uniform(-strength, strength, shape)).float()  # noqa: E731
    gain = (1 + draw(n, 1, 1, 1)) * (1 + draw(n, 3, 1, 1) / 2)
    offset = draw(n, 1, 1, 1)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * gain.to(images) + mean + offset.to(images)).clamp(-1, 1)


class SegmenterTrainer:
    """Everything a run consists of, and one step of it.

    Args:
        config: configuration of the run.
        labels: its label set.
        weights: weights of the classes, ``[L]``; see `class_weights`.
        device: device to train on.
    """

    def __init__(
        self, config: SegmenterTrainingConfig, labels: LabelSet, weights: Tensor, device: str = "cpu"
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.labels = labels
        self.device = torch.device(device)
        self.step = 0
        self.segmenter_config = SegmenterConfig(
            labels.num_classes, config.network_width, config.height, config.width
        )
        # Channels last halves a step's time on a CPU; on CUDA it is what the tensor cores want.
        self.segmenter = Segmenter(self.segmenter_config).to(self.device)
        self.segmenter = self.segmenter.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = averaged_copy(self.segmenter)
        self.weights = weights.to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.segmenter.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )

    def train_step(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """One update.

        Args:
            images: float32 ``[N, 3, H, W]`` in [-1, 1].
            labels: uint8 ``[N, H, W]``.

        Returns:
            The loss and the pixel accuracy on the batch, by name.

        Raises:
            LayoutRTError: the loss is not finite.
        """
        config = self.config
        self.optimizer.param_groups[0]["lr"] = config.rate(self.step)
        random = np.random.default_rng([config.seed, self.step])
        images = recolor(images.to(self.device), config.color, random)
        target = self._target(labels.to(self.device))
        scores = self.segmenter(images.contiguous(memory_format=torch.channels_last))
        valid = target != IGNORED
        if valid.any():
            loss = F.cross_entropy(scores, target, self.weights, ignore_index=IGNORED)
        else:
            # The mean over no pixels would be NaN.
            loss = 0 * scores.sum()
        if not torch.isfinite(loss):
            raise LayoutRTError(
                f"the loss is {loss.item()} at step {self.step}; the last checkpoint is kept: "
                "resume from it with a lower --learning-rate"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        update_average(
            self.average, self.segmenter, min(config.ema_decay, (1 + self.step) / (10 + self.step))
        )
        self.step += 1
        accuracy = (scores.argmax(1) == target)[valid].sum() / valid.sum().clamp(min=1)
        return {"loss": loss.item(), "accuracy": accuracy.item()}

    def _target(self, labels: Tensor) -> Tensor:
        target = labels.long()
        ignored = target >= self.segmenter_config.num_classes
        if self.labels.dont_care is not None:
            ignored |= target == self.labels.dont_care
        return target.masked_fill(ignored, IGNORED)

    def save(self, run: Path) -> None:
        """Write the whole state, then the averaged segmenter alone, each all or nothing."""
        tensors = {
            f"{name}.{key}": tensor
            for name, network in (("segmenter", self.segmenter), ("average", self.average))
            for key, tensor in network.state_dict().items()
        }
        tensors |= optimizer_tensors(self.optimizer, "optimizer")
        save_tensors(
            run / STATE_FILE,
            tensors,
            "segmenter-training",
            {"config": self.config.to_dict(), "step": self.step, "labels": list(self.labels.names)},
        )
        self.save_segmenter(run, self.average)

    def finished_segmenter(self, batches: Iterable[Tensor]) -> Segmenter:
        """The averaged segmenter, its norms measured on ``batches`` of images ``[N, 3, H, W]``."""
        segmenter = copy.deepcopy(self.average)
        refresh_statistics(segmenter, batches, lambda images: segmenter(images.to(self.device)))
        return segmenter

    def save_segmenter(
        self, run: Path, segmenter: Segmenter, validation: dict[str, float] | None = None
    ) -> None:
        """Write a segmenter alone, with how it was made and, once it is known, how good it is."""
        provenance: dict[str, Any] = {
            "training": self.config.provenance(),
            "step": self.step,
        }
        if validation:
            provenance["validation"] = validation
        save_segmenter(
            run / SEGMENTER_FILE, segmenter.state_dict(), self.segmenter_config, self.labels, provenance
        )

    def resume(self, run: Path) -> None:
        """Continue exactly where ``run`` was last saved.

        Raises:
            LayoutRTError: no state there, or one of another configuration.
        """
        tensors, metadata = load_tensors(run / STATE_FILE, "segmenter-training")
        differences = self.config.differences(metadata["config"])
        # Older states name none.
        if metadata.get("labels", names := list(self.labels.names)) != names:
            differences.append("other classes in the label set")
        if differences:
            raise LayoutRTError(
                f"{run} was trained with another configuration ({'; '.join(differences)}); resume it with "
                "its own, or start a new run in another folder"
            )
        for name, network in (("segmenter", self.segmenter), ("average", self.average)):
            prefix = f"{name}."
            network.load_state_dict(
                {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            )
        load_optimizer(self.optimizer, tensors, "optimizer")
        self.step = metadata["step"]
