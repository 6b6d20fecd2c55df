"""The result of an evaluation, as JSON and as a table."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from rich.console import Group

from layoutrt import __version__
from layoutrt.layouts.confusion import ConfusionMatrix
from layoutrt.report.console_table import console_table


@dataclass(frozen=True)
class ModelFacts:
    """The generator that was evaluated."""

    name: str
    sha256: str
    precision: str
    backend: str


@dataclass(frozen=True)
class DataFacts:
    """The data that it was evaluated on."""

    folder: str
    split: str
    images: int
    size: str
    """HxW."""


@dataclass(frozen=True)
class NetworkFacts:
    """A network that evaluated it."""

    name: str
    sha256: str


@dataclass(frozen=True)
class SegmentationScore:
    """Agreement of the segmenter with the layout: shares from 0 to 1, None where nothing was counted."""

    mean_iou: float | None
    pixel_accuracy: float | None
    class_iou: dict[str, float | None]

    @classmethod
    def of(cls, matrix: ConfusionMatrix, names: list[str]) -> SegmentationScore:
        """The scores of a matrix; ``names`` are those of its classes, "don't care" is left out."""
        classes = {
            name: iou
            for i, (name, iou) in enumerate(zip(names, matrix.class_iou, strict=True))
            if i != matrix.dont_care
        }
        return cls(_finite(matrix.mean_iou), _finite(matrix.pixel_accuracy), classes)


@dataclass(frozen=True)
class Diversity:
    """`pairwise_distance`, averaged over layouts; or why there is none."""

    value: float | None
    samples_per_layout: int
    reason: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured."""

    model: ModelFacts
    data: DataFacts
    segmenter: NetworkFacts
    features: NetworkFacts
    synthesized: SegmentationScore
    real: SegmentationScore
    """Scores of the real images: the ceiling."""
    frechet_name: str
    """Name of the distance: "FID" only with the reference's features."""
    frechet: float
    frechet_vectors: int
    """Feature vectors on each side."""
    diversity: Diversity
    seconds: float
    versions: dict[str, str] = field(
        default_factory=lambda: {
            "layoutrt": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        }
    )

    def to_json(self) -> dict[str, Any]:
        """Plain values; all but ``seconds`` are the same whenever the same files are evaluated."""
        return {
            "model": asdict(self.model),
            "data": asdict(self.data),
            "segmenter": asdict(self.segmenter),
            "features": asdict(self.features) | {"vectors": self.frechet_vectors},
            "metrics": {
                "mean_iou": self.synthesized.mean_iou,
                "pixel_accuracy": self.synthesized.pixel_accuracy,
                self.frechet_name: self.frechet,
                "diversity_segmenter": self.diversity.value,
            },
            "diversity": {
                "samples_per_layout": self.diversity.samples_per_layout,
                "reason": self.diversity.reason,
            },
            "ceiling": {"mean_iou": self.real.mean_iou, "pixel_accuracy": self.real.pixel_accuracy},
            "class_iou": {
                name: {"synthesized": self.synthesized.class_iou[name], "real": self.real.class_iou[name]}
                for name in self.real.class_iou
            },
            "versions": self.versions,
            "seconds": round(self.seconds, 2),
        }

    def tables(self) -> Group:
        """The metrics and the classes as tables; shares in percent."""
        title = (
            f"{self.model.name} ({self.model.precision}) on {self.data.images} images of {self.data.folder}, "
            f"{self.data.size}"
        )
        metrics = console_table(title, [""], ["synthesized", "real images"])
        metrics.add_row("mean IoU", _percent(self.synthesized.mean_iou), _percent(self.real.mean_iou))
        metrics.add_row(
            "pixel accuracy", _percent(self.synthesized.pixel_accuracy), _percent(self.real.pixel_accuracy)
        )
        metrics.add_row(self.frechet_name, f"{self.frechet:.4g}", "")
        value = self.diversity.value
        metrics.add_row("diversity_segmenter", "-" if value is None else f"{value:.4g}", "")
        classes = console_table("intersection over union", ["class"], ["synthesized", "real images"])
        for name, real in self.real.class_iou.items():
            classes.add_row(name, _percent(self.synthesized.class_iou[name]), _percent(real))
        return Group(metrics, classes)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
