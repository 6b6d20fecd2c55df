"""The header of a safetensors file, read without torch and without the tensors."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from layoutrt.errors import LayoutRTError

_LARGEST = 100_000_000  # bytes; the format's own limit on its header


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
    """Read the header: eight bytes of length, then JSON (format of huggingface/safetensors).

    Raises:
        LayoutRTError: the file is truncated or of another format.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LARGEST:
                raise ValueError("no header length")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        shapes = {name: list(entry["shape"]) for name, entry in header.items()}
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if path.stat().st_size < end:
            raise ValueError("tensors are missing")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError):
        raise LayoutRTError(
            f"{path} is truncated or not a safetensors file; copy or train it again"
        ) from None
    return SafetensorsHeader(metadata, shapes)
