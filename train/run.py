"""A training run on disk: data in, checkpoints, scalars and sample grids out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, colorize, label_set
from layoutrt.train.config import TrainingConfig
from layoutrt.train.memory import keep_freed_memory
from layoutrt.train.pairs import PairFolder, batch_keys
from layoutrt.train.trainer import GENERATOR_FILE, STATE_FILE, Trainer


def train(
    config: TrainingConfig,
    run: Path,
    *,
    resume: bool = False,
    init: Path | None = None,
    workers: int = 0,
    checkpoint_every: int = 500,
    sample_every: int = 500,
    device: str = "cpu",
    stop_after: int | None = None,
) -> Path:
    """Train until ``config.steps`` and return the path of the generator's checkpoint.

    Args:
        config: of the run; ``config.data`` holds ``train/`` (and perhaps ``val/``) or the pairs.
        run: folder of the checkpoints and TensorBoard files.
        resume: continue what ``run`` holds.
        init: another run whose networks to start from.
        workers: data-loading processes.
        checkpoint_every, sample_every: in steps.
        device: of torch.
        stop_after: leave early, with a checkpoint, once this many steps are done.

    Raises:
        LayoutRTError: data, configuration or checkpoint cannot be used.
    """
    if (run / STATE_FILE).exists() and not resume:
        raise LayoutRTError(f"{run} holds a run already; continue it with --resume or choose another --out")
    keep_freed_memory()
    labels = label_set(config.label_set)
    root = Path(config.data)
    training = PairFolder(
        root / "train" if (root / "train").is_dir() else root,
        labels,
        (config.height, config.width),
        load_size=config.load_size,
        seed=config.seed,
        enlarge=config.enlarge,
    )
    if len(training) < config.batch_size:
        raise LayoutRTError(
            f"{root} holds {len(training)} pairs, fewer than one batch of {config.batch_size}; lower --batch"
        )
    trainer = Trainer(config, labels, device)
    if resume:
        trainer.resume(run)
    elif init:
        trainer.start_from(init)
    keys = batch_keys(len(training), config.batch_size, config.seed, trainer.step)
    loader = DataLoader(
        training,
        batch_sampler=keys,  # type: ignore[arg-type]
        num_workers=workers,
        persistent_workers=workers > 0,
        # Without one of its own, every new loader draws from the one that the latent's noise comes from.
        generator=torch.Generator().manual_seed(config.seed),
    )
    samples = _validation_samples(root, labels, config)
    last = min(config.steps, stop_after or config.steps)
    writer = SummaryWriter(str(run / "tensorboard"), purge_step=trainer.step)
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("", total=config.steps, completed=trainer.step, losses="")
        batches = iter(loader)
        while trainer.step < last:
            started = time.perf_counter()
            values = trainer.train_step(*next(batches))
            seconds = time.perf_counter() - started
            _write_scalars(writer, trainer, values | {"seconds_per_step": seconds})
            text = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
            progress.update(task, completed=trainer.step, losses=text)
            if trainer.step % sample_every == 0 or trainer.step == last:
                _write_samples(writer, run, trainer, samples)
            if trainer.step % checkpoint_every == 0 or trainer.step == last:
                writer.flush()
                trainer.save(run)
    writer.close()
    if trainer.step == config.steps:
        trainer.finish(run, _label_batches(training, trainer))
    return run / GENERATOR_FILE


def _label_batches(training: PairFolder, trainer: Trainer) -> Iterator[torch.Tensor]:
    """Label maps of up to 200 training pairs, whole, at the size the generator is made for."""
    config = trainer.generator_config
    size = (config.image_height, config.image_width)
    whole = PairFolder(training.folder, training.label_set, size, seed=trainer.config.seed, enlarge=1.0)
    indices = np.random.default_rng(trainer.config.seed).permutation(len(whole))[:200]
    for start in range(0, len(indices), 4):
        yield torch.stack([whole[0, int(i)][1] for i in indices[start : start + 4]])


def _validation_samples(root: Path, labels: LabelSet, config: TrainingConfig) -> dict[str, Any]:
    """A few fixed pairs to look at, evenly spread over the validation (or training) folder."""
    folder = (
        root / "val" if (root / "val").is_dir() else root / "train" if (root / "train").is_dir() else root
    )
    pairs = PairFolder(folder, labels, config.load_size, enlarge=1.0, flip=False)
    indices = np.linspace(0, len(pairs) - 1, min(6, len(pairs))).round().astype(int)
    items = [pairs[0, int(i)] for i in indices]
    return {
        "labels": torch.stack([label for _, label in items]),
        "images": torch.stack([image for image, _ in items]),
        "set": labels,
    }


def _write_scalars(writer: SummaryWriter, trainer: Trainer, values: dict[str, float]) -> None:
    for name, value in values.items():
        writer.add_scalar(f"train/{name}", value, trainer.step)


def _write_samples(writer: SummaryWriter, run: Path, trainer: Trainer, samples: dict[str, Any]) -> None:
    """Grid of layout, real and synthesised image, to TensorBoard and to ``samples.png``."""
    import cv2

    fake = trainer.sample(samples["labels"])
    to_bytes = lambda t: ((t.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()  # noqa: E731
    layouts = np.stack([colorize(label.numpy(), samples["set"]) for label in samples["labels"]])
    columns = [
        np.concatenate(list(part), 0) for part in (layouts, to_bytes(samples["images"]), to_bytes(fake))
    ]
    grid = np.concatenate(columns, 1)
    writer.add_image("samples", grid, trainer.step, dataformats="HWC")
    cv2.imwrite(str(run / "samples.png"), grid[:, :, ::-1])
