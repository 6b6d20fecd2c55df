"""Configuration of a generator."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from layoutrt.architectures import architecture, size_multiple
from layoutrt.errors import LayoutRTError

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
    """A key of `layoutrt.architectures.ARCHITECTURES`."""
    upsampling: str = "nearest"
    """Doubling of features: ``"nearest"``, as in the paper, or ``"smooth"``, for the edge generator."""

    def __post_init__(self) -> None:
        fixed = architecture(self.architecture).fixed
        checks = {
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
        for field, value in fixed.items():
            if getattr(self, field) != value:
                raise LayoutRTError(
                    f"generator configuration: the architecture '{self.architecture}' has {field} = {value}, "
                    f"not {getattr(self, field)}"
                )
        self.check_size(self.image_height, self.image_width)

    @property
    def semantic_channels(self) -> int:
        """Channels of the semantic tensor."""
        return self.num_classes + int(self.instance_edges)

    @property
    def size_multiple(self) -> int:
        """Divisor of heights and widths."""
        return size_multiple(self.pyramid_levels)

    @property
    def fixed_size(self) -> bool:
        """True where one size is all it makes: the paper's head turns ``z`` into features of that size."""
        return self.latent > 0 and architecture(self.architecture).latent_fixes_size

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
