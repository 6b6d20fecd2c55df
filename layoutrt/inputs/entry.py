"""The files of one sample."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """Paths of an image, of its label map and, where the data set has them, of its instance map."""

    image: Path
    labels: Path
    instances: Path | None = None
