"""The result of a verification, as JSON and as tables."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass, field
from typing import Any

import cv2
import numpy as np
import onnx
from rich.console import Group
from rich.table import Table
from rich.text import Text

from layoutrt import __version__
from layoutrt.calib.quality.fidelity import LEVELS, Fidelity
from layoutrt.export.verification.checks import Check, inapplicable
from layoutrt.export.verification.layer_comparison import BELOW_DB, Layer, LayerComparison
from layoutrt.export.verification.segmentation_agreement import SegmentationAgreement
from layoutrt.export.verification.worst_frames import FrameResult
from layoutrt.report.console_table import console_table

SHOWN_LAYERS = 12


@dataclass(frozen=True)
class ModelFacts:
    """One of the two models, or the segmenter that looks at images."""

    name: str
    sha256: str
    """SHA-256 of the file."""
    weights_sha256: str | None
    """SHA-256 of the file beside it that holds the weights of a large model; None without one."""
    version: str
    """Version of the layoutrt that made it."""
    precision: str
    backend: str


@dataclass(frozen=True)
class DataFacts:
    """The inputs that they were compared on."""

    source: str
    frames: int
    size: str
    """HxW."""


@dataclass(frozen=True)
class Verification:
    """Everything that was found."""

    kind: str
    """``"generator"`` or ``"segmenter"``."""
    reference: ModelFacts
    candidate: ModelFacts
    data: DataFacts
    fidelity: Fidelity | None
    """Distances of a generator's images; None for segmenters."""
    segmenter: ModelFacts | None
    """The segmenter that looked at a generator's images; None where none did."""
    segmentation: SegmentationAgreement | None
    segmentation_reason: str | None
    """Why there is none."""
    checks: tuple[Check, ...]
    worst: tuple[FrameResult, ...]
    """The frames that differ most, worst first."""
    course: tuple[float, ...]
    """Badness (`FrameResult`) along the frames: each entry is the worst of its part."""
    layers: LayerComparison | None
    seconds: float
    versions: dict[str, str] = field(
        default_factory=lambda: {
            "layoutrt": __version__,
            "numpy": np.__version__,
            "onnx": onnx.__version__,
            "opencv": cv2.__version__,
            "python": platform.python_version(),
        }
    )

    @property
    def passed(self) -> bool:
        """True if no check failed."""
        return all(check.passed is not False for check in self.checks)

    @property
    def failure(self) -> str:
        """One sentence that names the checks that failed."""
        failed = [
            f"{check.name} {check.shown_value()}, not {check.shown_limit()} ({check.option})"
            for check in self.checks
            if check.passed is False
        ]
        return (
            f"{self.candidate.name} is too far from {self.reference.name}: {'; '.join(failed)}; "
            "--html shows the worst frames and --layers where the graphs part"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, all numbers finite; all but ``seconds`` are the same for the same files.

        Keys:
            kind, passed.
            checks: each ``name``, ``option``, ``at_least``, ``limit``, ``unit``, ``value``, ``passed`` (null
                where it does not apply) and ``note``.
            reference, candidate, segmenter: ``name``, ``sha256``, ``weights_sha256``, ``version``,
                ``precision`` and ``backend``.
            data: ``source``, ``frames`` and ``size``.
            image: null for segmenters; ``identical``, ``psnr_db`` and ``worst_psnr_db`` (null where
                infinite), ``ssim``, ``worst_ssim``; ``max_error``, ``mean_error``, ``shift`` and
                ``worst_shift`` in gray levels; ``share_off_by_more_than`` with the keys 2, 8 and 32.
            segmentation: ``agreement``, ``worst_agreement``, ``mean_iou`` (candidate against reference),
                ``reference_mean_iou`` and ``candidate_mean_iou`` (against the labels), ``drop_points``; and
                ``reason``, which says why there are none of these.
            worst_frames: worst first, ``index``, ``name``, what ``image`` has, and ``agreement``.
            layers: null without ``--layers``; ``frames``, ``unmatched``, ``first_below_20_db`` and
                ``largest_drop`` (names of tensors), ``layers`` (`Layer`).
            versions, seconds.
        """
        segmentation = asdict(self.segmentation) if self.segmentation else {}
        if self.segmentation:
            segmentation["drop_points"] = self.segmentation.drop_points
        return {
            "kind": self.kind,
            "passed": self.passed,
            "checks": [asdict(check) for check in self.checks],
            "reference": asdict(self.reference),
            "candidate": asdict(self.candidate),
            "data": asdict(self.data),
            "image": _image_json(self.fidelity) if self.fidelity else None,
            "segmenter": asdict(self.segmenter) if self.segmenter else None,
            "segmentation": segmentation | {"reason": self.segmentation_reason},
            "worst_frames": [_frame_json(frame) for frame in self.worst],
            "layers": _layers_json(self.layers) if self.layers else None,
            "versions": self.versions,
            "seconds": round(self.seconds, 2),
        }

    def tables(self) -> Group:
        """The metrics, the checks and the worst layers."""
        title = (
            f"{self.candidate.name} ({self.candidate.precision}) against {self.reference.name} "
            f"({self.reference.precision}), {frames_text(self.data.frames)} of {self.data.source}, "
            f"{self.data.size}"
        )
        metrics = console_table(title, [""], ["all frames", "worst frame"], wrap=True)
        for row in metric_rows(self):
            metrics.add_row(*row)
        notes = "\n".join(inapplicable(self.checks))
        checks = console_table("", ["check"], ["measured", "limit"], caption=notes)
        checks.add_column("option", no_wrap=True)
        checks.add_column("result", no_wrap=True)
        for check in self.checks:
            color = {True: "green", False: "bold red", None: "dim"}[check.passed]
            checks.add_row(
                check.name,
                check.shown_value(),
                check.shown_limit(),
                check.option,
                Text(check.shown_result(), color),
            )
        parts = [metrics, checks]
        if self.layers:
            parts.append(_layer_table(self.layers))
        return Group(*parts)


def metric_rows(found: Verification) -> list[tuple[str, str, str]]:
    """Rows of the measurements: name, over all frames, of the worst frame."""
    rows: list[tuple[str, str, str]] = []
    if images := found.fidelity:
        red, green, blue = images.shift
        rows += [
            ("PSNR", decibels(images.psnr), decibels(images.worst_psnr)),
            ("SSIM", f"{images.ssim:.4f}", f"{images.worst_ssim:.4f}"),
            ("color shift R, G, B", f"{red:+.2f}, {green:+.2f}, {blue:+.2f}", f"{images.worst_shift:+.2f}"),
            ("mean error", f"{images.mean_error:.2f}", ""),
            ("max error", f"{images.max_error}", ""),
        ]
        rows += [
            (f"pixels off by more than {level}", percent(share), "")
            for level, share in zip(LEVELS, images.shares_off, strict=True)
        ]
    if labels := found.segmentation:
        under = f", {found.segmenter.name}" if found.segmenter else ""
        rows += [
            (f"equal labels{under}", percent(labels.agreement), percent(labels.worst_agreement)),
            ("mIoU, candidate to reference", percent(labels.mean_iou), ""),
        ]
        if labels.drop_points is not None:
            truth = "layouts" if found.kind == "generator" else "labels"
            rows += [
                (f"mIoU, reference to {truth}", percent(labels.reference_mean_iou), ""),
                (f"mIoU, candidate to {truth}", percent(labels.candidate_mean_iou), ""),
            ]
    return rows


def decibels(value: float) -> str:
    """A ratio, or "identical" for an infinite one."""
    return "identical" if math.isinf(value) else f"{value:.2f} dB"


def percent(share: float | None) -> str:
    """A share in percent."""
    return "-" if share is None else f"{100 * share:.2f} %"


def frames_text(count: int) -> str:
    """``1 frame`` or ``N frames``."""
    return "1 frame" if count == 1 else f"{count} frames"


def layer_sentences(layers: LayerComparison) -> list[str]:
    """The layers at which the graphs part."""
    first, drop = layers.first_below, layers.largest_drop
    return [
        f"first below {BELOW_DB:.0f} dB: {_named(first, f'{first.sqnr_db:.1f} dB') if first else 'none'}",
        f"largest drop: {_named(drop, f'{drop.drop_db:.1f} dB') if drop else 'none'}",
    ]


def _named(layer: Layer, what: str) -> str:
    return f"{layer.node} ({layer.operator}), {what}"


def _layer_table(layers: LayerComparison) -> Table:
    shown = layers.worst(SHOWN_LAYERS)
    title = f"{len(shown)} worst of {len(layers.layers)} layers, {frames_text(layers.frames)}"
    caption = "\n".join(layer_sentences(layers))
    table = console_table(title, right=["SQNR dB", "drop dB"], caption=caption)
    table.add_column("operator")
    table.add_column("node")
    table.add_column("shape")
    for layer in shown:
        table.add_row(
            f"{layer.sqnr_db:.1f}", f"{layer.drop_db:.1f}", layer.operator, layer.node, shape_text(layer)
        )
    return table


def shape_text(layer: Layer) -> str:
    """``N x C x H x W``."""
    return "x".join(str(dim) for dim in layer.shape)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _image_json(images: Fidelity) -> dict[str, Any]:
    return {
        "identical": images.identical,
        "psnr_db": _finite(images.psnr),
        "worst_psnr_db": _finite(images.worst_psnr),
        "ssim": images.ssim,
        "worst_ssim": images.worst_ssim,
        "max_error": images.max_error,
        "mean_error": images.mean_error,
        "shift": dict(zip(("red", "green", "blue"), images.shift, strict=True)),
        "worst_shift": images.worst_shift,
        "share_off_by_more_than": _shares(images.shares_off),
    }


def _frame_json(frame: FrameResult) -> dict[str, Any]:
    image = frame.fidelity
    measured: dict[str, Any] = {}
    if image:
        measured = {
            "psnr_db": _finite(image.psnr),
            "ssim": image.ssim,
            "max_error": image.max_error,
            "mean_error": image.mean_error,
            "shift": dict(zip(("red", "green", "blue"), image.shift, strict=True)),
            "share_off_by_more_than": _shares(image.shares_off),
        }
    return {"index": frame.index, "name": frame.name, **measured, "agreement": frame.agreement}


def _shares(shares: tuple[float, float, float]) -> dict[str, float]:
    return {str(level): share for level, share in zip(LEVELS, shares, strict=True)}


def _layers_json(layers: LayerComparison) -> dict[str, Any]:
    first, drop = layers.first_below, layers.largest_drop
    return {
        "frames": layers.frames,
        "unmatched": layers.unmatched,
        "first_below_20_db": first.tensor if first else None,
        "largest_drop": drop.tensor if drop else None,
        "layers": [asdict(layer) | {"shape": list(layer.shape)} for layer in layers.layers],
    }
