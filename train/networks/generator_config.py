"""Configuration of a generator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from layoutrt.errors import LayoutRTError

ARCHITECTURES = ("cc-fpse", "edge", "spade")
UPSAMPLINGS = ("nearest", "smooth")


@dataclass(frozen=True)
class GeneratorConfig:
    """Configuration of a generator; stored with every checkpoint."""

    num_classes: int
    """One-hot channels, "don't care" included."""
    instance_edges: bool = False
    """True where an instance-edge channel follows them."""
    width: int = 64
    """Channels of the last stage."""
    hidden: int = 128
    """Hidden channels of the kernel predictors."""
    predictor_kernel: int = 3
    pyramid_levels: int = 6
    latent: int = 0
    """Length of ``z``, or 0 for a generator whose head reads the layout instead."""
    image_height: int = 256
    """Training size; the only one of the paper's generator with a latent."""
    image_width: int = 256
    architecture: str = "cc-fpse"
    """``"cc-fpse"``, the paper's; ``"edge"``, ours for small budgets; ``"spade"``, the baseline without
    conditional convolutions."""
    upsampling: str = "nearest"
    """Doubling of features: ``"nearest"``, as in the paper, or ``"smooth"``, for the edge generator."""

    def __post_init__(self) -> None:
        checks = {
            "architecture": self.architecture in ARCHITECTURES,
            "num_classes": 1 <= self.num_classes <= 255,
            "width": self.width >= 1,
            "hidden": self.hidden >= 1,
            "predictor_kernel": self.predictor_kernel in (1, 3),
            "pyramid_levels": self.pyramid_levels in (6, 7),
            "latent": self.latent >= 0,
            "upsampling": self.upsampling in UPSAMPLINGS,
        }
        for field, good in checks.items():
            if not good:
                raise LayoutRTError(
                    f"generator configuration: {field} = {getattr(self, field)} is out of range"
                )
        self._check_variant()
        self.check_size(self.image_height, self.image_width)

    def _check_variant(self) -> None:
        fixed: dict[str, Any] = {}
        if self.architecture != "cc-fpse":
            fixed |= {"predictor_kernel": 1, "pyramid_levels": 6}
        if self.architecture == "spade":
            fixed |= {"latent": 0}
        if self.architecture != "edge":
            fixed |= {"upsampling": "nearest"}
        for field, value in fixed.items():
            if getattr(self, field) != value:
                raise LayoutRTError(
                    f"generator configuration: the architecture '{self.architecture}' has {field} = {value}, "
                    f"not {getattr(self, field)}"
                )

    @property
    def semantic_channels(self) -> int:
        """Channels of the semantic tensor."""
        return self.num_classes + int(self.instance_edges)

    @property
    def size_multiple(self) -> int:
        """Divisor of heights and widths."""
        return 2 ** (self.pyramid_levels - 1)

    @property
    def fixed_size(self) -> bool:
        """True where the generator makes one size only: the paper's head turns ``z`` into such features."""
        return self.latent > 0 and self.architecture == "cc-fpse"

    def check_size(self, height: int, width: int) -> None:
        """Refuse a size the generator cannot produce."""
        multiple = self.size_multiple
        if height < multiple or width < multiple or height % multiple or width % multiple:
            raise LayoutRTError(
                f"size {height}x{width} does not fit this generator; "
                f"height and width must be multiples of {multiple}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)
