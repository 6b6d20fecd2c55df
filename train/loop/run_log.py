"""The log of a run: losses, curves, sample grids and TensorBoard's files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing, utf8_name
from layoutrt.layouts import LabelSet, colorize
from layoutrt.train.checkpoint import CURVES_FILE, LOSSES_FILE, SAMPLES_FILE, TENSORBOARD_FOLDER
from layoutrt.train.datasets.sample import Sample
from layoutrt.train.loop.curves import plot_curves


class RunLog:
    """The log of a run from ``step`` on; what a killed run wrote after its last checkpoint is dropped.

    Args:
        run: folder of the run.
        step: number of steps done.

    Raises:
        LayoutRTError: the folder cannot be written, here and in every method, or its name is not UTF-8.
    """

    def __init__(self, run: Path, step: int) -> None:
        self.run = run
        utf8_name(run)
        with self._writing():
            run.mkdir(parents=True, exist_ok=True)
            forget_after(run / LOSSES_FILE, step)
            self._losses = open(run / LOSSES_FILE, "a")  # noqa: SIM115
            self._board = SummaryWriter(str(run / TENSORBOARD_FOLDER), purge_step=step + 1)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            with self._writing():
                self._losses.close()
                self._board.close()

    def write_losses(
        self, step: int, values: dict[str, float], seconds: float, measures: dict[str, float] | None = None
    ) -> None:
        """Log the losses by name, what else was measured, and how long the step took."""
        values = values | (measures or {})
        with self._writing():
            self._losses.write(json.dumps({"step": step} | values) + "\n")
            self._losses.flush()
            for name, value in (values | {"seconds_per_step": seconds}).items():
                self._board.add_scalar(f"train/{name}", value, step)

    def write_samples(self, step: int, samples: Sample, fakes: list[Tensor], labels: LabelSet) -> None:
        """Grid of layouts, real and synthesized images (each float32 ``[N, 3, H, W]`` in [-1, 1])."""
        layouts = np.stack([colorize(layout.numpy(), labels) for layout in samples.labels])
        parts = (layouts, _bytes(samples.image), *map(_bytes, fakes))
        columns = [np.concatenate(list(part), 0) for part in parts]
        grid = np.concatenate(columns, 1)
        with self._writing():
            self._board.add_image("samples", grid, step, dataformats="HWC")
            with replacing(self.run / SAMPLES_FILE) as path:
                cv2.imwrite(str(path), np.ascontiguousarray(grid[:, :, ::-1]))

    def write_curves(self) -> None:
        """Plot the losses so far."""
        with self._writing():
            self._losses.flush()
            self._board.flush()
        plot_curves(self.run, self.run / CURVES_FILE)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LayoutRTError(
                f"cannot write the log of {self.run}: {error.strerror or error}; make room and continue "
                "from the last checkpoint with --resume"
            ) from error


def forget_after(losses: Path, step: int) -> None:
    """Drop the lines of ``losses.jsonl`` after ``step``, and a last one that is not whole."""
    if not losses.is_file():
        return
    kept = []
    for line in losses.read_text().splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(f"{line}\n")
        except json.JSONDecodeError:
            break
    with replacing(losses) as path:
        path.write_text("".join(kept))


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    scaled = ((images.clamp(-1, 1) + 1) * 127.5).round().byte()
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).numpy())
