"""A segmenter's training run on disk: data in, checkpoints, losses and a validation score out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, label_set
from layoutrt.layouts.confusion import ConfusionMatrix
from layoutrt.train.checkpoint import STATE_FILE
from layoutrt.train.datasets import (
    PairDataset,
    available_splits,
    batch_keys,
    load_batches,
    open_dataset,
)
from layoutrt.train.loop.run_log import RunLog
from layoutrt.train.networks.segmenter import Segmenter
from layoutrt.train.scaling.memory import keep_freed_memory
from layoutrt.train.segmenter.config import SegmenterTrainingConfig
from layoutrt.train.segmenter.training import SegmenterTrainer, class_weights

COUNTED_SAMPLES = 500
"""Number of samples that the shares of the classes are taken from."""


def train_segmenter(
    config: SegmenterTrainingConfig,
    run: Path,
    *,
    resume: bool = False,
    workers: int = 0,
    checkpoint_every: int = 500,
    device: str = "cpu",
    stop_after: int | None = None,
) -> ConfusionMatrix | None:
    """Train until ``config.steps``; the segmenter is then ``segmenter.safetensors`` in ``run``.

    Args:
        config: configuration of the run; ``config.data`` is a folder that `open_dataset` reads.
        run: folder of the checkpoints, losses and TensorBoard files.
        resume: continue what ``run`` holds.
        workers: data-loading processes.
        checkpoint_every: interval in steps.
        device: ``"cpu"`` or ``"cuda"``.
        stop_after: leave early, with a checkpoint, once this many steps are done.

    Returns:
        Metrics of the finished segmenter on the validation split; None without such a split, or
        the run stopped early.

    Raises:
        LayoutRTError: data, configuration or checkpoint cannot be used, or the run's folder not be written.
    """
    if (run / STATE_FILE).exists() and not resume:
        raise LayoutRTError(f"{run} holds a run already; continue it with --resume or choose another --out")
    keep_freed_memory()
    labels = label_set(config.label_set)
    size = (config.height, config.width)
    entries = open_dataset(config.dataset, config.data, "train")
    training = PairDataset(entries, labels, size, seed=config.seed, enlarge=(1.0, config.enlarge))
    trainer = SegmenterTrainer(config, labels, class_weights(count_pixels(training)), device)
    if resume:
        trainer.resume(run)
    keys = batch_keys(len(training), config.batch_size, config.seed, trainer.step)
    batches = load_batches(training, keys, workers=workers, pin_memory=device == "cuda")
    last = min(config.steps, stop_after or config.steps)
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with RunLog(run, trainer.step) as log, Progress(*columns) as progress:
        task = progress.add_task("", total=config.steps, completed=trainer.step, losses="")
        while trainer.step < last:
            started = time.perf_counter()
            batch = next(batches)
            values = trainer.train_step(batch.image, batch.labels)
            log.write_losses(trainer.step, values, time.perf_counter() - started)
            text = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
            progress.update(task, completed=trainer.step, losses=text)
            if trainer.step % checkpoint_every == 0 or trainer.step == last:
                log.write_curves()
                trainer.save(run)
    if trainer.step < config.steps:
        return None
    segmenter = trainer.finished_segmenter(_images(training, config))
    if "val" not in available_splits(config.dataset, config.data):
        trainer.save_segmenter(run, segmenter)
        return None
    pairs = PairDataset(
        open_dataset(config.dataset, config.data, "val"), labels, size, enlarge=(1.0, 1.0), flip=False
    )
    score = validate(segmenter, labels, pairs)
    trainer.save_segmenter(
        run, segmenter, {"mean_iou": score.mean_iou, "pixel_accuracy": score.pixel_accuracy}
    )
    return score


def count_pixels(training: PairDataset) -> Tensor:
    """Pixels of each class, ``[L]``, in up to ``COUNTED_SAMPLES`` samples; none for "don't care"."""
    labels = training.label_set
    counts = torch.zeros(256)
    order = np.random.default_rng(training.seed).permutation(len(training))
    for i in order[:COUNTED_SAMPLES]:
        counts += torch.bincount(training[0, int(i)].labels.flatten(), minlength=256)
    if labels.dont_care is not None:
        counts[labels.dont_care] = 0
    return counts[: labels.num_classes]


@torch.no_grad()
def validate(segmenter: Segmenter, labels: LabelSet, pairs: PairDataset) -> ConfusionMatrix:
    """Labels that a segmenter in evaluation mode makes of every pair."""
    confusion = ConfusionMatrix(labels.num_classes, labels.dont_care)
    device = next(segmenter.parameters()).device
    for i in range(len(pairs)):
        sample = pairs[0, i]
        scores = segmenter(sample.image.unsqueeze(0).to(device))
        if labels.dont_care is not None:
            scores[:, labels.dont_care] = -torch.inf
        confusion.add(sample.labels.numpy(), scores.argmax(1)[0].to(torch.uint8).cpu().numpy())
    return confusion


def _images(training: PairDataset, config: SegmenterTrainingConfig) -> Iterator[Tensor]:
    """Up to 200 training frames, augmented as in training but not recolored."""
    indices = np.random.default_rng(config.seed).permutation(len(training))[:200]
    for start in range(0, len(indices), config.batch_size):
        yield torch.stack([training[0, int(i)].image for i in indices[start : start + config.batch_size]])
