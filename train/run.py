"""A training run on disk: data in, checkpoints, losses and sample grids out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.data import default_collate

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets import (
    PairDataset,
    Sample,
    available_splits,
    batch_keys,
    load_batches,
    open_dataset,
)
from layoutrt.train.distributed import joined, restarted
from layoutrt.train.memory import keep_freed_memory
from layoutrt.train.run_files import GENERATOR_FILE, STATE_FILE
from layoutrt.train.run_log import RunLog
from layoutrt.train.trainer import Trainer
from layoutrt.train.training_state import resume as resume_run
from layoutrt.train.training_state import save_inference_generator, save_run, start_from


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
    compile: bool = False,
    recompute: bool = False,
) -> Path:
    """Train until ``config.steps`` and return the path of the generator's checkpoint.

    Under ``torchrun`` every process calls this, and the first one writes. Processes that ``torchrun``
    restarted after a failure continue from the run's last checkpoint by themselves.

    Args:
        config: of the run; ``config.data`` is a folder that `open_dataset` reads.
        run: folder of the checkpoints, losses and TensorBoard files.
        resume: continue what ``run`` holds.
        init: another run whose networks to start from.
        workers: data-loading processes.
        checkpoint_every, sample_every: in steps.
        device: ``"cpu"`` or ``"cuda"``.
        stop_after: leave early, with a checkpoint, once this many steps are done.
        compile: compile the networks.
        recompute: recompute the generator's blocks in backward instead of keeping them in memory.

    Raises:
        LayoutRTError: data, configuration or checkpoint cannot be used, or the run's folder not be written.
    """
    resume = resume or (restarted() and (run / STATE_FILE).exists())
    if (run / STATE_FILE).exists() and not resume:
        raise LayoutRTError(f"{run} holds a run already; continue it with --resume or choose another --out")
    keep_freed_memory()
    labels = label_set(config.label_set)
    entries = open_dataset(config.dataset, config.data, "train")
    if config.instances and entries[0].instances is None:
        raise LayoutRTError(
            f"{config.data} has no instance maps, which --instances reads; leave it out, or add them"
        )
    training = PairDataset(
        entries,
        labels,
        (config.height, config.width),
        load_size=config.load_size,
        seed=config.seed,
        enlarge=(1.0, config.enlarge),
    )
    with joined(device) as (processes, own_device):
        config = replace(config, processes=processes.count)
        trainer = Trainer(
            config, labels, own_device, processes=processes, compile=compile, recompute=recompute
        )
        if resume:
            resume_run(trainer, run)
        elif init:
            start_from(trainer, init)
        keys = batch_keys(
            len(training), config.batch_size, config.seed, trainer.step, processes.rank, processes.count
        )
        batches = load_batches(training, keys, workers=workers, pin_memory=device == "cuda")
        _run_steps(
            trainer,
            batches,
            run,
            last=min(config.steps, stop_after or config.steps),
            checkpoint_every=checkpoint_every,
            sample_every=sample_every,
        )
        if processes.first and trainer.step == config.steps:
            generator = trainer.finished_generator(_whole_pictures(training, trainer))
            save_inference_generator(trainer, run, generator)
    return run / GENERATOR_FILE


def _run_steps(
    trainer: Trainer,
    batches: Iterator[Sample],
    run: Path,
    *,
    last: int,
    checkpoint_every: int,
    sample_every: int,
) -> None:
    """Train to step ``last``; the first process shows progress, logs and saves."""
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    first = trainer.processes.first
    with ExitStack() as stack:
        samples = _validation_samples(trainer) if first else None
        log = stack.enter_context(RunLog(run, trainer.step)) if first else None
        progress = stack.enter_context(Progress(*columns, disable=not first))
        if trainer.teacher and not trainer.teacher.discriminator and first:
            progress.console.print(
                f"the teacher {trainer.teacher.path} has no discriminator: distilling images and features",
                soft_wrap=True,
                markup=False,
            )
        task = progress.add_task("", total=trainer.config.steps, completed=trainer.step, losses="")
        while trainer.step < last:
            started = time.perf_counter()
            values = trainer.train_step(next(batches))
            seconds = time.perf_counter() - started
            generator = sum(values.values()) - values["discriminator"]
            text = f"generator {generator:.3f}  discriminator {values['discriminator']:.3f}"
            progress.update(task, completed=trainer.step, losses=text)
            if log is None or samples is None:
                continue
            log.write_losses(trainer.step, values, seconds)
            if trainer.step % sample_every == 0 or trainer.step == last:
                fake = trainer.sample(samples.labels, samples.instances)
                log.write_samples(trainer.step, samples, fake, trainer.labels)
            if trainer.step % checkpoint_every == 0 or trainer.step == last:
                log.write_curves()
                save_run(trainer, run)


def _whole_pictures(training: PairDataset, trainer: Trainer) -> Iterator[Sample]:
    """Up to 200 training pairs, whole, at the size the generator is made for."""
    config = trainer.generator_config
    size = (config.image_height, config.image_width)
    seed = trainer.config.seed
    whole = PairDataset(training.entries, training.label_set, size, seed=seed, enlarge=(1.0, 1.0))
    indices = np.random.default_rng(seed).permutation(len(whole))[:200]
    for start in range(0, len(indices), 4):
        yield default_collate([whole[0, int(i)] for i in indices[start : start + 4]])


def _validation_samples(trainer: Trainer) -> Sample:
    """A few fixed pairs of the generator's size, evenly spread over the validation (or training) split."""
    config, made = trainer.config, trainer.generator_config
    split = "val" if "val" in available_splits(config.dataset, config.data) else "train"
    entries = open_dataset(config.dataset, config.data, split)
    size = (made.image_height, made.image_width)
    pairs = PairDataset(entries, trainer.labels, size, enlarge=(1.0, 1.0), flip=False)
    indices = np.linspace(0, len(pairs) - 1, min(6, len(pairs))).round().astype(int)
    return default_collate([pairs[0, int(i)] for i in indices])
