"""Reduced precision of the networks' arithmetic: autocast, and loss scaling for float16."""

from __future__ import annotations

import torch
from torch import Tensor

_TYPES = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context in which convolutions compute in ``precision``; norms keep float32 statistics."""
    dtype = _TYPES[precision]
    return torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None)


def loss_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Scales losses so that float16 gradients do not vanish; does nothing in the other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def scaler_tensors(scaler: torch.amp.GradScaler, prefix: str) -> dict[str, Tensor]:
    """The scaler's state under names ``prefix.KEY``; empty where it does nothing."""
    return {f"{prefix}.{key}": torch.tensor(value) for key, value in scaler.state_dict().items()}


def load_scaler(scaler: torch.amp.GradScaler, tensors: dict[str, Tensor], prefix: str) -> None:
    """Put back what `scaler_tensors` took."""
    state = {key: tensors[f"{prefix}.{key}"].item() for key in scaler.state_dict()}
    if state:
        scaler.load_state_dict(state)
