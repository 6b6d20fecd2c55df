"""The accuracy drop that is allowed, and the layers that stay in float to keep to it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from layoutrt.calib.quality.evaluator import AccuracyDrop
from layoutrt.errors import LayoutRTError

_FORM = re.compile(r"(psnr|miou):(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Budget:
    """The least PSNR in dB, or the most that mIoU may drop in points of 0.01."""

    measure: str
    """``"psnr"`` or ``"miou"``."""
    bound: float

    def __str__(self) -> str:
        if self.measure == "psnr":
            return f"a PSNR of {self.bound:g} dB"
        return f"a drop of {self.bound:g} points of mIoU"

    def allows(self, drop: AccuracyDrop) -> bool:
        """True where the accuracy drop is within the budget.

        Raises:
            LayoutRTError: it cannot be told for this model.
        """
        value = drop.psnr if self.measure == "psnr" else drop.miou_drop
        if value is None:
            raise LayoutRTError(
                "a segmenter makes no image that has a PSNR; give --budget miou:POINTS"
                if self.measure == "psnr"
                else "mIoU needs a segmenter of the model's label set; name one with --segmenter, "
                "or give --budget psnr:DB"
            )
        return value >= self.bound if self.measure == "psnr" else value <= self.bound


def parse_budget(text: str) -> Budget:
    """Parse ``psnr:DB`` or ``miou:POINTS``.

    Raises:
        LayoutRTError: the text is of another form.
    """
    match = _FORM.fullmatch(text)
    if not match or not math.isfinite(float(match[2])):
        raise LayoutRTError(
            f"'{text}' is not a budget: write psnr:DB, such as psnr:33, or miou:POINTS, such as miou:0.5"
        )
    return Budget(match[1], float(match[2]))


def layers_to_keep(
    budget: Budget, worst_first: Sequence[str], drop_of: Callable[[Sequence[str]], AccuracyDrop]
) -> list[str]:
    """The fewest of the worst layers that have to stay in float.

    Keeping one more of the worst layers is taken never to make it worse, so their number is found by halving.

    Args:
        budget: largest accuracy drop allowed.
        worst_first: names of all layers.
        drop_of: measures the model in which these layers stay in float.

    Raises:
        LayoutRTError: even with all layers in float the budget is not kept to.
    """
    if budget.allows(drop_of([])):
        return []
    # Invariant: `low` layers are not enough, `high` are.
    low, high = 0, 1
    while high < len(worst_first) and not budget.allows(drop_of(worst_first[:high])):
        low, high = high, 2 * high
    high = min(high, len(worst_first))
    if high == len(worst_first) and not budget.allows(drop := drop_of(worst_first)):
        raise LayoutRTError(
            f"{budget} cannot be kept to: with every layer in float there is still {drop}; allow more"
        )
    while high - low > 1:
        middle = (low + high) // 2
        if budget.allows(drop_of(worst_first[:middle])):
            high = middle
        else:
            low = middle
    return list(worst_first[:high])
