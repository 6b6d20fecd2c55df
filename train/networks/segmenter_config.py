"""Configuration of a segmenter."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from layoutrt.architectures import SEGMENTER_MULTIPLE as SIZE_MULTIPLE
from layoutrt.errors import LayoutRTError


@dataclass(frozen=True)
class SegmenterConfig:
    """Configuration of a segmenter; stored with every checkpoint."""

    num_classes: int
    """Classes of the label set, "don't care" included; it has a score and is never trained nor predicted."""
    width: int = 24
    """Channels at half size; the deeper levels have 5/3, 3 and 16/3 times as many."""
    image_height: int = 192
    """Size it is exported for by default."""
    image_width: int = 256

    def __post_init__(self) -> None:
        for field, good in {"num_classes": 2 <= self.num_classes <= 255, "width": self.width >= 3}.items():
            if not good:
                raise LayoutRTError(
                    f"segmenter configuration: {field} = {getattr(self, field)} is out of range"
                )
        self.check_size(self.image_height, self.image_width)

    @staticmethod
    def check_size(height: int, width: int) -> None:
        """Refuse a size the segmenter cannot read."""
        if height < SIZE_MULTIPLE or width < SIZE_MULTIPLE or height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
            raise LayoutRTError(
                f"size {height}x{width} does not fit a segmenter; "
                f"height and width must be multiples of {SIZE_MULTIPLE}"
            )

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels at 1/2, 1/4, 1/8 and 1/16 of the size."""
        w = self.width
        return w, w * 5 // 3, w * 3, w * 16 // 3

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
