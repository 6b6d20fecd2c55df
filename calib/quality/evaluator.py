"""Accuracy drop of a quantized model, measured against the float model it was made from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import SEGMENTER, ModelInfo, read_model_info
from layoutrt.calib.observe.calibration_inputs import CalibrationInputs
from layoutrt.calib.quality.fidelity import Fidelity, FidelityMeter
from layoutrt.errors import LayoutRTError
from layoutrt.files import temporary_folder
from layoutrt.layouts import LabelSet
from layoutrt.layouts.confusion import ConfusionMatrix
from layoutrt.models import resolve_model
from layoutrt.runtime.session import Session


@dataclass(frozen=True)
class AccuracyDrop:
    """The accuracy drop over all frames."""

    frames: int
    images: Fidelity | None
    """Fidelity of a generator's images; None for a segmenter."""
    agreement: float | None
    """Share of the pixels to which both models' outputs (a generator's by way of a segmenter) give one label,
    0..1; None without a segmenter."""
    miou_drop: float | None
    """Float model's mIoU less the quantized one's, in points of 0.01; of a segmenter without labels, 100 less
    its mIoU against the float model's labels. None without a segmenter."""

    @property
    def psnr(self) -> float | None:
        """PSNR of a generator's images, in dB."""
        return self.images.psnr if self.images else None

    @property
    def error(self) -> float:
        """Error that ranks layers: mean squared error in squared gray levels, or share of other labels."""
        if self.images:
            return 255**2 / 10 ** (self.images.psnr / 10)
        return 1 - (self.agreement or 0)

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded so that they do not depend on the machine's last digits."""
        values: dict[str, Any] = {"frames": self.frames}
        if self.images:
            identical = math.isinf(self.images.psnr)
            values |= {
                "psnr": None if identical else round(self.images.psnr, 2),
                "ssim": round(self.images.ssim, 4),
                "shift": [round(shift, 3) for shift in self.images.shift],
            }
        if self.agreement is not None and self.miou_drop is not None:
            values |= {"agreement": round(self.agreement, 4), "miou_drop": round(self.miou_drop, 2)}
        return values

    def __str__(self) -> str:
        parts = []
        if self.images:
            shift = " ".join(f"{value:+.2f}" for value in self.images.shift)
            parts.append(f"PSNR {self.images.psnr:.1f} dB, color shift {shift} levels")
        if self.agreement is not None and self.miou_drop is not None:
            parts.append(
                f"{100 * self.agreement:.1f} % of labels the same, mIoU {-self.miou_drop:+.2f} points"
            )
        return ", ".join(parts) + f" ({self.frames} frame{'s' * (self.frames != 1)})"


class Evaluator:
    """Runs models on frames that the float model was run on once.

    Args:
        model: the float model; its file is run.
        inputs: examples to run it on.
        frames: most inputs to use, evenly spread.
        segmenter: name or file of what labels a generator's images; None to do without.
        threads: number of threads of one run; None for one per processor.

    Raises:
        LayoutRTError: ``segmenter`` is not a segmenter or has another label set than the model, or the model
            makes no images.
    """

    def __init__(
        self,
        model: ModelInfo,
        inputs: CalibrationInputs,
        frames: int,
        *,
        segmenter: str | Path | None = None,
        threads: int | None = None,
    ) -> None:
        self._threads, self._labels = threads, model.label_set
        self._output = "labels" if model.kind == "segmenter" else "image"
        if segmenter and self._output == "labels":
            raise LayoutRTError("--segmenter looks at a generator's images; leave it out for a segmenter")
        self._examples = list(inputs.examples(frames))
        self._segmenter = resolve_model(segmenter) if segmenter and self._output == "image" else None
        if self._segmenter:
            _check_segmenter(self._segmenter, model.label_set, model.run_size)
        with Session(model.path, threads=threads) as session:
            self._expected = list(self._run(session))
        self._expected_labels = list(self._segment(self._expected))

    def accuracy_drop(self, candidate: onnx.ModelProto | Path) -> AccuracyDrop:
        """Run a model on the frames.

        Args:
            candidate: file, or the model itself, which is not changed.
        """
        with temporary_folder() as folder:
            path = candidate
            if isinstance(candidate, onnx.ModelProto):
                path = Path(folder, "candidate.onnx")
                onnx.save(candidate, path)
            with Session(path, threads=self._threads) as session:
                found = list(self._run(session))
        images = None
        if self._output == "image":
            meter = FidelityMeter()
            for expected, image in zip(self._expected, found, strict=True):
                meter.add(expected, image)
            images = meter.result()
        labels = list(self._segment(found))
        if not labels:
            return AccuracyDrop(len(found), images, None, None)
        same = [float((a == b).mean()) for a, b in zip(self._expected_labels, labels, strict=True)]
        return AccuracyDrop(len(found), images, float(np.mean(same)), self._miou_drop(labels))

    def _run(self, session: Session) -> Iterator[NDArray[np.uint8]]:
        for example in self._examples:
            yield session.run(**example.arguments)[self._output][0]

    def _segment(self, outputs: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        if self._output == "labels":
            yield from outputs
        elif self._segmenter:
            with Session(self._segmenter, threads=self._threads) as session:
                for image in outputs:
                    yield session.run(frame=image[None])["labels"][0]

    def _miou_drop(self, labels: list[NDArray[np.uint8]]) -> float:
        if any(example.labels is None for example in self._examples):
            return 100 - self._miou(self._expected_labels, labels)
        truth = [example.labels for example in self._examples if example.labels is not None]
        return self._miou(truth, self._expected_labels) - self._miou(truth, labels)

    def _miou(self, truth: list[NDArray[np.uint8]], labels: list[NDArray[np.uint8]]) -> float:
        confusion = ConfusionMatrix(max(self._labels.num_classes, 1), self._labels.dont_care)
        for expected, found in zip(truth, labels, strict=True):
            confusion.add(expected, found)
        return 100 * confusion.mean_iou


def _check_segmenter(path: Path, labels: LabelSet, size: tuple[int, int]) -> None:
    info = read_model_info(path)
    own, made = info.label_set, info.size or size
    if info.kind != SEGMENTER:
        raise LayoutRTError(
            f"{path} is a {info.kind} and not a segmenter; "
            "give a --segmenter of layoutrt export, or leave it out"
        )
    if own != labels:
        raise LayoutRTError(
            f"segmenter {path} has the label set '{own.name}' and the model '{labels.name}'; "
            "give a --segmenter of the model's label set, or leave it out"
        )
    if made != size:
        raise LayoutRTError(
            f"segmenter {path} takes images of {made[0]}x{made[1]} and the model makes {size[0]}x{size[1]}; "
            "give a --segmenter that fits, or leave it out"
        )


def default_segmenter(labels: LabelSet, name: str = "camvid-seg") -> str | None:
    """The shipped segmenter, if it knows these labels."""
    return name if read_model_info(name).label_set == labels else None
