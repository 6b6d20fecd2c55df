"""Types that the operators take and compute in.

Arguments may differ in type, as they do under ``torch.autocast``. The result has the wider type of the two
that flow from other layers (``x`` and ``w``, ``x`` and ``h``): parameters that autocast leaves in float32 do
not widen it. Every gradient has the type of its argument. On CPU, float16 and bfloat16 are computed in
float32 and rounded once; on CUDA they are read as they are and added up in float32. Autocast needs no
registration and changes nothing inside.
"""

from __future__ import annotations

import torch
from torch import Tensor


def result_dtype(a: Tensor, b: Tensor) -> torch.dtype:
    """Type of the result for the two tensors that flow."""
    return torch.promote_types(a.dtype, b.dtype)


def compute_dtype(a: Tensor, b: Tensor) -> torch.dtype:
    """Type that torch's own operations and the native library compute in."""
    dtype = result_dtype(a, b)
    return torch.float32 if a.device.type == "cpu" and dtype.itemsize < 4 else dtype


def to_dtype(tensor: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """An optional tensor in ``dtype``."""
    return None if tensor is None else tensor.to(dtype)
