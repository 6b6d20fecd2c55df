"""The instruction sets of this processor, as the system tells them, not the library that is tested."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

NAMES = {
    "avx512vnni": "AVX-512 VNNI",
    "avx512": "AVX-512",
    "avx2": "AVX2",
    "dotprod": "NEON dot product",
    "baseline": {"x86_64": "SSE2", "aarch64": "NEON"}.get(platform.machine(), "generic"),
}
"""Answer of ``lrt_simd()`` to each value of ``LAYOUTRT_ISA``."""

_ARM = ("baseline", "dotprod")
TESTED = _ARM if platform.machine() == "aarch64" else ("baseline", "avx2", "avx512", "avx512vnni")
"""Those of this kind of processor; a test of one that this processor lacks is skipped."""

_FLAGS = {
    "avx512vnni": {"avx512f", "avx512dq", "avx512vl", "avx512bw", "avx512_vnni"},
    "avx512": {"avx512f", "avx512dq", "avx512vl", "avx512bw"},
    "avx2": {"avx2", "fma"},
    "dotprod": {"asimddp"},
    "baseline": set(),
}


def usable() -> list[str]:
    """Values of ``LAYOUTRT_ISA`` for this processor, the widest first."""
    flags: set[str] = set()
    for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            flags = set(value.split())
            break
    return [isa for isa, needed in _FLAGS.items() if needed <= flags]


def require(isa: str) -> None:
    """Skip where this processor lacks it."""
    if isa not in usable():
        pytest.skip(f"this machine has no {isa}")
