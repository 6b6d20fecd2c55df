"""Inputs, outputs and times of a model, the same for every engine."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from layoutrt.errors import LayoutRTError


class Spinning(enum.Enum):
    """Choice of when a session's waiting threads spin instead of sleep."""

    DURING_RUNS = 0
    """Within a run only: as fast as ``ALWAYS``, and between runs the processors belong to others."""
    NEVER = 1
    """For processors that other work keeps busy during the runs; up to a tenth slower where they are idle."""
    ALWAYS = 2
    """Also for a while after a run; two sessions that run in turns then have half the speed or less."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model."""

    name: str
    dtype: np.dtype
    #: None stands for a dimension that each run fixes.
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        dims = ", ".join("?" if dim is None else str(dim) for dim in self.shape)
        return f"{self.dtype} [{dims}]"


@dataclass(frozen=True)
class StageTimes:
    """Times of a run's parts, in ms."""

    #: Until the session was free.
    wait_ms: float
    #: Inputs packed, or sent to a device.
    copy_in_ms: float
    #: The computation itself.
    engine_ms: float
    #: Outputs fetched from a device, or written with strides.
    copy_out_ms: float
    #: All of it.
    total_ms: float


@dataclass(frozen=True)
class Timings(StageTimes):
    """Times of the last run, the number of runs, and their total times."""

    runs: int
    sum: StageTimes


class LoadedModel(Protocol):
    """Model behind `layoutrt.runtime.session.Session`, which calls it from one thread at a time.

    Attributes:
        inputs: inputs of ``run``.
        outputs: outputs of ``run``.
        metadata: the custom metadata of the model file.
        backend: description of the backend.
    """

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: dict[str, str]
    backend: str

    def run(self, arrays: Mapping[str, np.ndarray], wait_ms: float) -> dict[str, np.ndarray]:
        """Run once.

        Args:
            arrays: every input, as `checked` gives them.
            wait_ms: until the session was free.
        """

    def timings(self) -> Timings:
        """Times of the last run and of all runs."""

    def close(self) -> None:
        """Free the model. Allowed more than once."""


def checked(info: TensorInfo, array: np.ndarray) -> np.ndarray:
    """An input as a contiguous array.

    Raises:
        LayoutRTError: it has another dtype or shape than the model takes.
    """
    if not isinstance(array, np.ndarray):
        raise LayoutRTError(f"input '{info.name}' must be a numpy array {info}, got {type(array).__name__}")
    fits = len(array.shape) == len(info.shape) and all(
        want in (None, got) for want, got in zip(info.shape, array.shape, strict=True)
    )
    if array.dtype != info.dtype or not fits:
        raise LayoutRTError(
            f"input '{info.name}' must be {info}, got {TensorInfo(info.name, array.dtype, array.shape)}"
        )
    return np.ascontiguousarray(array).reshape(array.shape)


def is_fixed(shape: tuple[int | None, ...]) -> bool:
    """True if a shape is known before a run. (ONNX Runtime reports rank 0 also for an unknown shape.)"""
    return bool(shape) and None not in shape
