"""A training run on disk: data in, checkpoints, losses and sample grids out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch.utils.data import default_collate

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import label_set
from layoutrt.train.checkpoint import GENERATOR_FILE, STATE_FILE
from layoutrt.train.config import TrainingConfig
from layoutrt.train.datasets import (
    PairDataset,
    Sample,
    available_splits,
    batch_keys,
    load_batches,
    open_dataset,
)
from layoutrt.train.loop.finishing import finished_generator, sample_images
from layoutrt.train.loop.health import Health
from layoutrt.train.loop.interruption import Interruption
from layoutrt.train.loop.progress import RunProgress
from layoutrt.train.loop.run_log import RunLog
from layoutrt.train.loop.snapshots import keep_snapshot
from layoutrt.train.loop.trainer import Trainer
from layoutrt.train.loop.training_state import resume as resume_run
from layoutrt.train.loop.training_state import save_inference_generator, save_run, start_from
from layoutrt.train.scaling.distributed import any_process, joined, restarted
from layoutrt.train.scaling.memory import keep_freed_memory


@dataclass(frozen=True)
class Saving:
    """Intervals at which checkpoints are written, and the number that is kept."""

    every: int
    minutes: float
    keep: int


def train(
    config: TrainingConfig,
    run: Path,
    *,
    resume: bool = False,
    init: Path | None = None,
    workers: int = 0,
    checkpoint_every: int = 500,
    checkpoint_minutes: float = 5.0,
    keep: int = 0,
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
        config: configuration of the run; ``config.data`` is a folder that `open_dataset` reads.
        run: folder of the checkpoints, losses and TensorBoard files.
        resume: continue what ``run`` holds.
        init: another run whose networks to start from.
        workers: data-loading processes.
        checkpoint_every, sample_every: intervals in steps.
        checkpoint_minutes: write one also after so much time, should the steps take longer.
        keep: number of the checkpoints of every ``checkpoint_every`` steps that are kept beside the last.
        device: ``"cpu"`` or ``"cuda"``.
        stop_after: leave early, with a checkpoint, once this many steps are done.
        compile: compile the networks.
        recompute: recompute the generator's blocks in backward instead of keeping them in memory.

    Raises:
        LayoutRTError: data, configuration or checkpoint cannot be used, the run's folder cannot be written,
            or Ctrl-C or SIGTERM stopped the run, with a checkpoint.
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
        flip=config.flip,
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
            Saving(checkpoint_every, checkpoint_minutes, keep),
            last=min(config.steps, stop_after or config.steps),
            sample_every=sample_every,
        )
        if processes.first and trainer.step == config.steps:
            generator = finished_generator(trainer, _whole_pictures(training, trainer))
            save_inference_generator(trainer, run, generator)
    return run / GENERATOR_FILE


def _run_steps(
    trainer: Trainer,
    batches: Iterator[Sample],
    run: Path,
    saving: Saving,
    *,
    last: int,
    sample_every: int,
) -> None:
    """Train to step ``last``; the first process shows progress, logs and saves.

    Raises:
        LayoutRTError: a signal stopped the run; its checkpoint is written.
    """
    config, first = trainer.config, trainer.processes.first
    health = Health(config.discriminator)
    with ExitStack() as stack:
        samples = _validation_samples(trainer) if first else None
        log = stack.enter_context(RunLog(run, trainer.step)) if first else None
        together = config.batch_size * trainer.processes.count
        progress = stack.enter_context(RunProgress(config.steps, trainer.step, together, shown=first))
        if trainer.teacher and not trainer.teacher.discriminator:
            progress.say(
                f"the teacher {trainer.teacher.path} has no discriminator: distilling images and features"
            )
        interruption = stack.enter_context(Interruption())
        saved = time.monotonic()
        stopped = False
        while trainer.step < last and not stopped:
            started = time.perf_counter()
            values = trainer.train_step(next(batches))
            seconds = time.perf_counter() - started
            stopped = any_process(bool(interruption.name), trainer.device)
            against = ("discriminator", "labelmix", "r1")
            generator = sum(value for name, value in values.items() if name not in against)
            shown = {"generator": generator, "discriminator": values["discriminator"]} | trainer.measures
            progress.update(trainer.step, shown)
            if log is None or samples is None:
                continue
            log.write_losses(trainer.step, values, seconds, trainer.measures)
            for warning in health.warnings(trainer.step, values, trainer.measures):
                progress.say(f"warning: {warning}")
            done = stopped or trainer.step == last
            if trainer.step % sample_every == 0 or done:
                log.write_samples(trainer.step, samples, sample_images(trainer, samples), trainer.labels)
            regular = trainer.step % saving.every == 0
            if regular or done or time.monotonic() - saved > saving.minutes * 60:
                log.write_curves()
                save_run(trainer, run)
                saved = time.monotonic()
                if saving.keep and (regular or trainer.step == config.steps):
                    keep_snapshot(run, trainer.step, saving.keep)
    if stopped and trainer.step < config.steps:
        raise LayoutRTError(
            f"stopped by {interruption.name or 'a signal'} at step {trainer.step} of {config.steps}, with a "
            f"checkpoint; continue with: layoutrt train --out {run} --resume"
        )


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
