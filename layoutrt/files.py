"""Writing files so that a reader never sees half of one, and telling them apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layoutrt.errors import LayoutRTError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path``; what is written there becomes ``path`` if the block succeeds.

    The temporary file keeps the suffix of ``path``, because encoders choose the format by it, and is removed
    if the block fails.

    Raises:
        LayoutRTError: the folder cannot be made or written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        # Some writers create files that only their owner can read.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise LayoutRTError(
            f"cannot write {path}: {error.strerror or error}; choose another place or make room"
        ) from error
    finally:
        # Gone already where the block succeeded, and its folder may not exist.
        with suppress(OSError):
            temporary.unlink()


def _umask() -> int:
    # The only portable way to read it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
