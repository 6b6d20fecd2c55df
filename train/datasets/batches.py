"""The order of samples in batches, and batches from worker processes."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from layoutrt.errors import LayoutRTError
from layoutrt.train.datasets.damaged_pairs import DamagedPair
from layoutrt.train.datasets.pair_dataset import PairDataset
from layoutrt.train.datasets.sample import Sample

Key = tuple[int, int]


def batch_keys(
    length: int, batch_size: int, seed: int, first_step: int, rank: int = 0, world_size: int = 1
) -> Iterator[list[Key]]:
    """Endless batches of ``(epoch, index)`` in a seeded random order, from ``first_step`` on.

    Every epoch is a permutation, cut into global batches of ``batch_size * world_size``; a last, smaller one
    is dropped. Rank r gets the r-th slice of each, so the global batch depends on its size only, not on how
    many processes share it.

    Args:
        length: number of samples in the data set.
        batch_size: batch size of one process.
        seed: seed of the order.
        first_step: number of batches to skip.
        rank, world_size: rank of the process, and number of processes.

    Raises:
        LayoutRTError: the data set is smaller than a global batch.
    """
    together = batch_size * world_size
    if length < together:
        raise LayoutRTError(
            f"the data set holds {length} pairs, fewer than one batch of {together}; lower --batch"
        )
    return _keys(length, batch_size, seed, first_step, rank, together)


def _keys(
    length: int, batch_size: int, seed: int, first_step: int, rank: int, together: int
) -> Iterator[list[Key]]:
    per_epoch = length // together
    epoch, position = divmod(first_step, per_epoch)
    while True:
        order = np.random.default_rng([seed, epoch]).permutation(length)
        for k in range(position, per_epoch):
            start = k * together + rank * batch_size
            yield [(epoch, int(i)) for i in order[start : start + batch_size]]
        epoch, position = epoch + 1, 0


def load_batches(
    dataset: PairDataset, keys: Iterator[list[Key]], *, workers: int = 0, pin_memory: bool = False
) -> Iterator[Sample]:
    """Batches of the samples that ``keys`` name.

    Args:
        dataset: data set to load from; its tally counts and names damaged pairs.
        keys: from `batch_keys`.
        workers: processes that load; 0 loads in this one.
        pin_memory: true if batches lie in page-locked memory, for copies to a GPU.

    Yields:
        `Sample` with image float32 ``[N, 3, H, W]``, labels uint8 and instances int32 ``[N, H, W]``.

    Raises:
        LayoutRTError: as `PairDataset.load`, in its own words also where a worker met it; or the system has
            too little shared memory for workers, no temporary folder, or starts no more processes.
    """
    loader = DataLoader(
        _Attempts(dataset),
        batch_sampler=keys,  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_start_worker,
        pin_memory=pin_memory,
        # Without one of its own, every new loader draws from the one that the latent's noise comes from.
        # Nothing that reaches a sample is drawn from it.
        generator=torch.Generator(),
    )
    for batch in _told(loader, workers) if workers else loader:
        if isinstance(batch, LayoutRTError):
            raise batch
        sample, damaged = batch
        dataset.tally.add(damaged)
        yield sample


# What torch and Python say where the system has too little for workers.
_SHORTAGES = {
    "shared memory": "shared memory",
    "shm": "shared memory",
    "Bus error": "shared memory",
    "No space left on device": "shared memory",
    "exited unexpectedly": "memory, and were killed",
    "is killed by signal": "memory, and were killed",
    "Resource temporarily unavailable": "processes that the system lets them start",
    "can't start new thread": "processes that the system lets them start",
    "No usable temporary directory": "temporary folders",
    "Read-only file system": "temporary folders",
}


def _told(loader: DataLoader[Any], workers: int) -> Iterator[Any]:
    """Batches of ``loader``, with the system's shortages in a sentence."""
    try:
        # As many as torch makes, which has a traceback printed where it gets some of them and not all.
        kinds = (multiprocessing.Queue, multiprocessing.Event)
        probe: list[object] = [kind() for kind in kinds for _ in range(workers + 1)]
        del probe
        yield from loader
    except (RuntimeError, OSError) as error:
        found = next((what for said, what in _SHORTAGES.items() if said in str(error)), None)
        if found is None:
            raise
        reason = str(error).strip().splitlines()[-1]
        _stop_watching_workers()
        raise LayoutRTError(
            f"the {workers} loading processes have too little {found} ({reason}); use --workers 0, or "
            "give the container more (/dev/shm: docker run --shm-size=1g)"
        ) from None


def _stop_watching_workers() -> None:
    """Takes back the handler with which torch raises wherever a worker ends.

    Workers that are left end with this process, by a signal that the handler would take for a failure and
    print as a traceback after our sentence.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class _Attempts(Dataset[Any]):
    """Returns errors instead of raising them: torch would wrap a worker's in the text of its traceback."""

    def __init__(self, dataset: PairDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, key: Key) -> tuple[Sample, list[DamagedPair]] | LayoutRTError:
        try:
            return self.dataset.load(key)
        except LayoutRTError as error:
            return error


def _collate(
    items: list[tuple[Sample, list[DamagedPair]] | LayoutRTError],
) -> tuple[Sample, list[DamagedPair]] | LayoutRTError:
    samples, damaged = [], []
    for item in items:
        if isinstance(item, LayoutRTError):
            return item
        samples.append(item[0])
        damaged.extend(item[1])
    return default_collate(samples), damaged


def _start_worker(_: int) -> None:
    # Workers are the parallelism; threads of OpenCV inside each would compete with them. Their random states,
    # which torch sets apart by itself, are not used: a sample's is a function of seed, epoch and index.
    cv2.setNumThreads(0)
    # Ctrl-C reaches every process of the terminal; the first one says when loading ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
