"""A segmenter's training run on disk: data in, checkpoints, scalars and a loss log out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set, read_layout
from layoutrt.train.datasets import PairDataset, batch_keys, load_batches, open_dataset
from layoutrt.train.memory import keep_freed_memory
from layoutrt.train.segmenter_training import (
    SEGMENTER_FILE,
    STATE_FILE,
    SegmenterTrainer,
    SegmenterTrainingConfig,
    class_weights,
)

LOG_FILE = "losses.jsonl"


def train_segmenter(
    config: SegmenterTrainingConfig,
    run: Path,
    *,
    resume: bool = False,
    workers: int = 0,
    checkpoint_every: int = 500,
    device: str = "cpu",
    stop_after: int | None = None,
) -> Path:
    """Train until ``config.steps`` and return the path of the segmenter's checkpoint.

    Args:
        config: of the run; ``config.data`` holds ``train/`` or the pairs.
        run: folder of the checkpoints and of ``losses.jsonl``.
        resume: continue what ``run`` holds.
        workers: data-loading processes.
        checkpoint_every: in steps.
        device: of torch.
        stop_after: leave early, with a checkpoint, once this many steps are done.

    Raises:
        LayoutRTError: data, configuration or checkpoint cannot be used.
    """
    if (run / STATE_FILE).exists() and not resume:
        raise LayoutRTError(f"{run} holds a run already; continue it with --resume or choose another --out")
    keep_freed_memory()
    labels = label_set(config.label_set)
    entries = open_dataset("auto", config.data, "train")
    size = (config.height, config.width)
    training = PairDataset(entries, labels, size, seed=config.seed, enlarge=(1.0, config.enlarge))
    pixels = torch.zeros(256)
    for entry in entries:
        pixels += torch.bincount(torch.from_numpy(read_layout(entry.labels, labels)).flatten(), minlength=256)
    pixels = pixels[: labels.num_classes]
    if labels.dont_care is not None:
        pixels[labels.dont_care] = 0
    trainer = SegmenterTrainer(config, labels, class_weights(pixels), device)
    if resume:
        trainer.resume(run)
    keys = batch_keys(len(training), config.batch_size, config.seed, trainer.step)
    batches = load_batches(training, keys, workers=workers)
    run.mkdir(parents=True, exist_ok=True)
    _forget_after(run / LOG_FILE, trainer.step)
    last = min(config.steps, stop_after or config.steps)
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns) as progress, open(run / LOG_FILE, "a") as log:
        task = progress.add_task("", total=config.steps, completed=trainer.step, losses="")
        while trainer.step < last:
            batch = next(batches)
            values = trainer.train_step(batch.image, batch.labels)
            log.write(json.dumps({"step": trainer.step} | values) + "\n")
            text = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
            progress.update(task, completed=trainer.step, losses=text)
            if trainer.step % checkpoint_every == 0 or trainer.step == last:
                log.flush()
                trainer.save(run)
    if trainer.step == config.steps:
        trainer.finish(run, _images(training, config))
    return run / SEGMENTER_FILE


def _images(training: PairDataset, config: SegmenterTrainingConfig) -> Iterator[Tensor]:
    """Up to 200 training frames, augmented as in training but not recoloured."""
    indices = np.random.default_rng(config.seed).permutation(len(training))[:200]
    for start in range(0, len(indices), config.batch_size):
        yield torch.stack([training[0, int(i)].image for i in indices[start : start + config.batch_size]])


def _forget_after(log: Path, step: int) -> None:
    """Drop what a killed run wrote to its log after its last checkpoint."""
    if log.is_file():
        lines = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(f"{line}\n" for line in lines))
