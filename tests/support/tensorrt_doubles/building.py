"""Building the shipped generator's engine in a world, and what a failed build must look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layoutrt.errors import LayoutRTError

SIZES = {"min_size": (64, 96), "opt_size": (96, 128), "max_size": (192, 256)}


def build(
    model: Path, folder: Path, *, sizes: dict[str, Any] | None = None, announce=None, console=None, **options
):
    """Build ``edge.engine``; options are those of the builder, ``timing_cache`` and ``verbose``."""
    from layoutrt.export.engine.build import build_engine
    from layoutrt.export.engine.config import EngineOptions
    from layoutrt.export.engine.shapes import ProfileRequest

    own = {name: options.pop(name) for name in ("timing_cache", "verbose") if name in options}
    return build_engine(
        model,
        folder / "edge.engine",
        profile=ProfileRequest(**(sizes or {})),
        options=EngineOptions(**options),
        console=console,
        announce=announce or (lambda line: None),
        **own,
    )


def files(folder: Path) -> list[str]:
    """Names of a folder's files."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def refused(model: Path, folder: Path, *words: str, **options) -> str:
    """The sentence of a build that fails and leaves nothing."""
    with pytest.raises(LayoutRTError) as raised:
        build(model, folder, **options)
    assert files(folder) == []
    sentence = str(raised.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence, sentence
    return sentence
