"""Processors and memory that this process may use: in a container less than the machine has."""

from __future__ import annotations

import os

from layoutrt.errors import LayoutRTError
from layoutrt.runtime.backends import native_bindings as native


def usable_processors() -> int:
    """Processors of this process, but no more than a CPU quota of its control groups is worth, rounded up.

    The number of threads of a session by default; the native library counts, where it is there.
    """
    try:
        return int(native.load().lrt_default_threads())
    except LayoutRTError:
        return len(os.sched_getaffinity(0))


def usable_memory() -> int | None:
    """Memory in bytes: the machine's, or less where a control group has a limit; None: not known."""
    try:
        return int(native.load().lrt_usable_memory()) or None
    except LayoutRTError:
        return None
