"""The header of a safetensors file: metadata and shapes, without torch and without the tensors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from layoutrt.errors import LayoutRTError


@dataclass(frozen=True)
class SafetensorsHeader:
    """Metadata and shapes of a file.

    Attributes:
        metadata: free text by key.
        shapes: of the tensors, by name.
    """

    metadata: dict[str, str]
    shapes: dict[str, list[int]]


def read_safetensors_header(path: Path) -> SafetensorsHeader:
    """Read the header of a safetensors file.

    Raises:
        LayoutRTError: the file is truncated or of another format.
        OSError: the file is missing or may not be read.
    """
    # safetensors' own OSError does not name the file, and Python's does.
    path.open("rb").close()
    try:
        with safe_open(path, framework="numpy") as file:
            # safetensors keeps no order of the keys.
            metadata = dict(sorted((file.metadata() or {}).items()))
            shapes = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        raise LayoutRTError(
            f"{path} is truncated or not a safetensors file; copy or train it again"
        ) from None
    return SafetensorsHeader(metadata, shapes)
