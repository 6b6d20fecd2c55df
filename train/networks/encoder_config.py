"""Configuration of an image encoder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class EncoderConfig:
    """Configuration of an image encoder; stored with its weights."""

    width: int = 64
    """Channels of the first layer; 64 in the paper."""
    latent: int = 256
    """Length of ``z``."""
    colors: int = 0
    """Side of the grid of mean colors that it reads besides its features; 0 in the paper."""
    image_height: int = 256
    """Size of the pictures that it was trained with; it takes any size."""
    image_width: int = 256

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
