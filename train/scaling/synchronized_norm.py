"""Batch norm over the batches of all processes, on any device: torch's own refuses tensors of the CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _SumOverProcesses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        # Every process's sum depends on this process's values.
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        return total


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of every process's ``values``; gradients flow back to all of them."""
    return _SumOverProcesses.apply(values)


class SynchronizedBatchNorm2d(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` whose training statistics are those of all processes' batches together.

    All processes must have batches of one shape.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> the same shape; statistics are computed in float32."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = input.numel() // input.shape[1] * dist.get_world_size()
        # Two sums instead of one: a difference of large squares would lose digits.
        mean = sum_over_processes(x.sum((0, 2, 3))) / count
        centered = x - mean[:, None, None]
        variance = sum_over_processes(centered.square().sum((0, 2, 3))) / count
        if self.track_running_stats:
            self._follow(mean.detach(), variance.detach() * count / max(count - 1, 1))
        y = centered * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            y = y * self.weight[:, None, None] + self.bias[:, None, None]
        return y.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)

    @classmethod
    def convert(cls, network: Any) -> Any:
        """``network`` with this class in place of every `torch.nn.BatchNorm2d`; tensors and names stay."""
        for name, child in network.named_children():
            if isinstance(child, nn.BatchNorm2d):
                norm = cls(child.num_features, child.eps, child.momentum, child.affine)
                norm.load_state_dict(child.state_dict())
                network.add_module(name, norm.train(child.training))
            else:
                cls.convert(child)
        return network
