"""Weights that others trained, from a file into a network of ours."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from layoutrt.errors import LayoutRTError


def load_published_weights(network: nn.Module, path: str | Path, what: str) -> None:
    """Copy the tensors of a state dict into a network, which must find all of its own there.

    Args:
        network: whose names and shapes the file has to hold; more tensors than those are ignored.
        path: ``.pth`` file of tensors (nothing in it is executed), or ``.safetensors``.
        what: name of the network in messages, with the format expected.

    Raises:
        LayoutRTError: the file is missing, no state dict, or of another network.
    """
    path = Path(path)
    state = read_state_dict(path, what)
    for name, own in network.state_dict().items():
        found = state.get(name)
        if found is None:
            if name.endswith("num_batches_tracked"):  # older files lack it, and inference does not read it
                continue
            raise LayoutRTError(f"{path} holds no {what}: the tensor {name} is missing; give its weights")
        if found.shape != own.shape:
            raise LayoutRTError(
                f"{path} holds no {what}: {name} has the shape {list(found.shape)}, "
                f"expected {list(own.shape)}; give its weights"
            )
    network.load_state_dict(state, strict=False)


def read_state_dict(path: Path, what: str) -> dict[str, Tensor]:
    """The tensors of a ``.pth`` or ``.safetensors`` file by name; arguments and errors as above."""
    if not path.is_file():
        raise LayoutRTError(f"{path} does not exist; give the path of the weights of {what}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise LayoutRTError(
            f"{path} holds something other than tensors, or is no PyTorch file; give a state dict of {what}"
        ) from None
    except (SafetensorError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise LayoutRTError(
            f"{path} is truncated or not a PyTorch checkpoint ({reason}); download it again"
        ) from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise LayoutRTError(f"{path} is not a state dict of tensors; give the weights of {what}")
    return state
