"""Writing files so that a reader never sees half of one, and telling them apart."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

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


STANDARD_OUTPUT = "-"
"""Name that means standard output where a JSON file is written."""


def write_json(path: str | Path, value: Any, indent: int = 2) -> None:
    """Write a JSON file, all or nothing, or print it where ``path`` is ``-``.

    Args:
        path: file to write; its folder is made where there is none.
        value: dictionaries, lists and plain values; no NaN or infinity.
        indent: spaces of a level.

    Raises:
        LayoutRTError: the file cannot be written.
    """
    text = json.dumps(value, indent=indent, allow_nan=False) + "\n"
    if str(path) == STANDARD_OUTPUT:
        print(text, end="")
        return
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A new folder for intermediate files; a ``with`` block has its path, and removes it.

    Raises:
        LayoutRTError: no place for temporary files can be written, as in a container that is read-only.
    """
    try:
        return tempfile.TemporaryDirectory(prefix="layoutrt-")
    except FileNotFoundError as error:
        raise LayoutRTError(
            f"intermediate files need a temporary folder, and none can be written ({error.strerror}); name "
            "one that can in the environment variable TMPDIR, or make /tmp writable"
        ) from None


def _umask() -> int:
    # The only portable way to read it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_not_inputs(
    written: Iterable[str | Path], read: Iterable[str | Path], option: str = "--out"
) -> None:
    """Refuse to write over what is read.

    Args:
        written: files to write.
        read: files that are read.
        option: option that names the output.

    Raises:
        LayoutRTError: a file is in both.
    """
    places = {Path(path).resolve(): path for path in written}
    for path in read:
        if (place := places.get(Path(path).resolve())) is not None:
            raise LayoutRTError(
                f"{option} {place} would overwrite {path}, which is read; choose another name"
            )


def utf8_name(path: str | Path) -> str:
    """A path for OpenCV, which crashes over a name of other bytes than UTF-8.

    Raises:
        LayoutRTError: the name is of other bytes.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise LayoutRTError(f"the name of {path} is not UTF-8, as OpenCV needs it; rename it") from None
    return str(path)


def drawable(text: str) -> str:
    """A text for OpenCV, which crashes over one that is not UTF-8: with marks for what is not."""
    return text.encode(errors="replace").decode()


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
