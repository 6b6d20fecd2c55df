"""The thresholds of a verification, and whether they hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from layoutrt.calib.quality.fidelity import Fidelity
from layoutrt.errors import LayoutRTError
from layoutrt.export.verification.segmentation_agreement import SegmentationAgreement

MIN_AGREEMENT = 0.97
"""Default share of equal labels that segmenters must keep."""


@dataclass(frozen=True)
class Thresholds:
    """Limits of how far a candidate may be from its reference.

    Raises:
        LayoutRTError: a limit is not finite.
    """

    min_psnr: float = 30.0
    """PSNR of generators' images over all frames, in dB."""
    max_shift: float = 1.0
    """Color shift of a channel of generators' images over all frames, in gray levels, either way."""
    max_miou_drop: float = 1.0
    """Mean IoU that may be lost, in points of 0.01."""
    min_agreement: float | None = None
    """Share of pixels with equal labels; by default `MIN_AGREEMENT` for segmenters and unchecked for
    generators."""

    def __post_init__(self) -> None:
        for name, limit in asdict(self).items():
            if limit is not None and not math.isfinite(limit):
                raise LayoutRTError(f"--{name.replace('_', '-')} {limit} is not finite; give a finite number")


@dataclass(frozen=True)
class Check:
    """One threshold."""

    name: str
    option: str
    """The command's option that sets the limit."""
    at_least: bool
    """True for a lower limit, False for an upper one."""
    limit: float | None
    """The limit; None for none."""
    unit: str
    value: float | None
    """None where it does not apply, or is infinite (the PSNR of identical images)."""
    passed: bool | None
    """None where it does not apply."""
    note: str = ""
    """Why it does not apply, or what else is to say."""

    def shown_value(self) -> str:
        """The value with its unit."""
        if self.value is None:
            return self.note if self.passed else "-"
        return _shown(self.value, self.unit)

    def shown_limit(self) -> str:
        """The limit with its direction."""
        return "-" if self.limit is None else f"{'≥' if self.at_least else '≤'} {self.limit:g}"

    def shown_result(self) -> str:
        """``pass``, ``FAIL`` or ``not applicable``."""
        return {True: "pass", False: "FAIL", None: "not applicable"}[self.passed]


def check_all(
    fidelity: Fidelity | None,
    segmentation: SegmentationAgreement | None,
    segmentation_reason: str | None,
    thresholds: Thresholds,
) -> tuple[Check, ...]:
    """All checks, those that do not apply included.

    Args:
        fidelity: of a generator's images; None for segmenters.
        segmentation: of a segmenter's labels, or of images under the segmenter; None where there is none.
        segmentation_reason: why there is none.
        thresholds: the limits.
    """
    no_images = "segmenters make labels, no images"
    reason = segmentation_reason or "the data have no labels"
    minimum = thresholds.min_agreement
    if fidelity is None and minimum is None:
        minimum = MIN_AGREEMENT
    return (
        _check(
            "PSNR",
            "--min-psnr",
            True,
            thresholds.min_psnr,
            " dB",
            fidelity.psnr if fidelity else None,
            no_images,
        ),
        _check(
            "color shift",
            "--max-shift",
            False,
            thresholds.max_shift,
            " levels",
            abs(fidelity.largest_shift) if fidelity else None,
            no_images,
        ),
        _check(
            "mIoU drop",
            "--max-miou-drop",
            False,
            thresholds.max_miou_drop,
            " points",
            segmentation.drop_points if segmentation else None,
            reason,
        ),
        _check(
            "agreement",
            "--min-agreement",
            True,
            minimum,
            "",
            segmentation.agreement if segmentation else None,
            reason if segmentation is None else "for generators only where --min-agreement is given",
        ),
    )


def inapplicable(checks: Sequence[Check]) -> list[str]:
    """Why checks do not apply, one line for each reason."""
    names: dict[str, list[str]] = {}
    for check in checks:
        if check.passed is None:
            names.setdefault(check.note, []).append(check.name)
    return [f"{', '.join(of)}: {note}" for note, of in names.items()]


def _check(
    name: str, option: str, at_least: bool, limit: float | None, unit: str, value: float | None, reason: str
) -> Check:
    if value is None or limit is None:
        return Check(name, option, at_least, limit, unit, None, None, reason)
    passed = value >= limit if at_least else value <= limit
    if math.isinf(value):
        return Check(name, option, at_least, limit, unit, None, passed, "identical")
    return Check(name, option, at_least, limit, unit, value, passed)


def _shown(number: float, unit: str) -> str:
    return f"{number:.4f}" if not unit else f"{number:.2f}{unit}"
