"""Training in several processes that ``torchrun`` starts: one step, its batch shared between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from layoutrt.errors import LayoutRTError
from layoutrt.train.scaling.synchronized_norm import SynchronizedBatchNorm2d

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Its rank on this machine, and so its GPU."""

    @property
    def first(self) -> bool:
        """True for the process that writes files and prints."""
        return self.rank == 0


def from_environment() -> Processes:
    """This process as ``torchrun`` describes it in the environment; the only one without ``torchrun``."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    return (
        Processes(*(int(os.environ[name]) for name in names))
        if "TORCHELASTIC_RUN_ID" in os.environ
        else (Processes())
    )


def restarted() -> bool:
    """True where ``torchrun --max-restarts`` started this process again after a failure."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@contextmanager
def joined(device: str) -> Iterator[tuple[Processes, str]]:
    """Join the processes of ``torchrun``: over NCCL for GPUs, over gloo for CPUs.

    Args:
        device: ``"cpu"`` or ``"cuda"``.

    Yields:
        This process, and the device it trains on.

    Raises:
        LayoutRTError: there are more processes than GPUs.
    """
    processes = from_environment()
    if device == "cuda":
        if processes.local_rank >= torch.cuda.device_count():
            raise LayoutRTError(
                f"torchrun started more processes than this machine's {torch.cuda.device_count()} GPUs; "
                "lower --nproc-per-node"
            )
        device = f"cuda:{processes.local_rank}"
        torch.cuda.set_device(device)
    if processes.count == 1:
        yield processes, device
        return
    store, rank, count = next(dist.rendezvous("env://"))
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        # torchrun's store outlives a restart, and with it the addresses of processes that are gone. On
        # several machines the counts of restarts may differ, so there they cannot be told apart by it.
        store = dist.PrefixStore(f"restart {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=count)
    try:
        yield processes, device
    finally:
        dist.destroy_process_group()


def share_statistics(network: Network) -> Network:
    """``network`` with batch norms that normalize by the statistics of all processes' batches."""
    if next(network.parameters()).is_cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return SynchronizedBatchNorm2d.convert(network)


def share_gradients(network: Network) -> nn.Module:
    """A module that calls ``network`` and averages its gradients over the processes."""
    parameter = next(network.parameters())
    devices = [parameter.device] if parameter.is_cuda else None
    return DistributedDataParallel(network, device_ids=devices)


def average_gradients(network: nn.Module) -> None:
    """Average the gradients of ``network`` over the processes, where its forward is called more than once."""
    if not dist.is_initialized():
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    flat = mean_over_processes(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def any_process(this: bool, device: torch.device) -> bool:
    """True where ``this`` is true in any of the processes."""
    if not dist.is_initialized():
        return this
    return mean_over_processes(torch.tensor(float(this), device=device)).item() > 0


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of every process's ``values``."""
    if dist.is_initialized():
        values = values.clone()
        dist.all_reduce(values)
        values /= dist.get_world_size()
    return values
