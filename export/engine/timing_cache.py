"""Timing cache: the measurements of TensorRT's builder, kept from one build to the next."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing
from layoutrt.runtime.backends.trt.cuda_driver import Gpu


def default_timing_cache(tensorrt: str, gpu: Gpu) -> Path:
    """The file for this GPU and TensorRT in the user's cache folder (``XDG_CACHE_HOME``)."""
    root = os.environ.get("XDG_CACHE_HOME")
    folder = Path(root) if root else Path.home() / ".cache"
    name = re.sub(r"[^A-Za-z0-9]+", "-", gpu.name).strip("-")
    return folder / "layoutrt" / f"timing-{name}-{gpu.compute_capability}-tensorrt-{tensorrt}.cache"


class TimingCache:
    """A timing cache that is attached to a builder's configuration.

    Args:
        path: path of the file, which need not exist.
        config: ``tensorrt.IBuilderConfig``.

    Attributes:
        path: path of the file.
        reused: True if the builder accepted the contents of the file.
        ignored: the reason why it rejected an existing file; None otherwise.
    """

    def __init__(self, path: Path, config: Any) -> None:
        self.path = path
        self._config = config
        self.ignored: str | None = None
        self._before = self._read()
        self.reused = bool(self._before) and self._attach(self._before)
        if self._before and not self.reused:
            self.ignored = "it is of another TensorRT or GPU"
        if not self.reused:
            self._attach(b"")

    def keep(self) -> str | None:
        """Write the builder's measurements to the file; return the reason if that fails, else None."""
        cache = self._config.get_timing_cache()
        if cache is None:
            return None
        # TensorRT's buffer calls its bytes floats, so Python cannot compare it as it is.
        content = bytes(cache.serialize())
        if content == self._before:
            return None
        try:
            with replacing(self.path) as temporary:
                temporary.write_bytes(content)
        except LayoutRTError as error:
            return str(error)
        return None

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            self.ignored = f"it cannot be read: {error.strerror}"
            return b""

    def _attach(self, content: bytes) -> bool:
        cache = self._config.create_timing_cache(content)
        # False where it was made by another version or on another GPU.
        return cache is not None and bool(self._config.set_timing_cache(cache, ignore_mismatch=False))
