"""The operators on CUDA, written in Triton; one module each.

Kernels read float32, float16 or bfloat16, add up in float32 and round once. They add up in a fixed order,
without atomics. Triton comes with the CUDA builds of torch; the modules that need it are imported when a CUDA
tensor arrives, never before.
"""

from __future__ import annotations

import functools
import importlib.util

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
"""Element types that the kernels read and write."""


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def serves(*tensors: Tensor) -> bool:
    """True where these tensors are on CUDA, of the kernels' types, and Triton is installed."""
    return all(t.is_cuda and t.dtype in DTYPES and t.numel() > 0 for t in tensors) and _installed()
