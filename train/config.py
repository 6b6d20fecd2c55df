"""What a training run is asked to do; stored with the run and compared on resume."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from layoutrt.errors import LayoutRTError


@dataclass(frozen=True)
class TrainingConfig:
    """Defaults are the paper's recipe (section 4.1) where it states one."""

    data: str
    label_set: str
    height: int = 256
    """Of the samples."""
    width: int = 256
    load_height: int = 0
    """Size that pairs are resized to before samples are cropped from them; 0 = the samples' own."""
    load_width: int = 0
    steps: int = 100_000
    decay_steps: int = 50_000
    """Last steps, over which the learning rates fall linearly to zero."""
    batch_size: int = 4
    generator_width: int = 64
    hidden: int = 128
    predictor_kernel: int = 3
    pyramid_levels: int = 6
    latent: int = 0
    """Length of ``z``; above 0 an image encoder is trained with the generator."""
    discriminator_width: int = 64
    encoder_width: int = 64
    learning_rate: float = 2e-4
    """Base rate; the generator takes half, the discriminator double (two time scales)."""
    feature_weight: float = 10.0
    kl_weight: float = 0.05
    ema_decay: float = 0.999
    """Of the averaged generator that is written out; 0 writes the last one."""
    enlarge: float = 1.15
    init_gain: float = 0.02
    """Of Xavier initialisation. The published value suits long runs; short ones learn sooner from 1."""
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            "steps": self.steps >= 1,
            "decay_steps": 0 <= self.decay_steps <= self.steps,
            "batch_size": self.batch_size >= 1,
            "discriminator_width": self.discriminator_width >= 1,
            "encoder_width": self.encoder_width >= 1,
            "learning_rate": self.learning_rate > 0,
            "ema_decay": 0 <= self.ema_decay < 1,
            "enlarge": self.enlarge >= 1,
            "init_gain": self.init_gain > 0,
            "load_height": self.load_height == 0 or self.load_height >= self.height,
            "load_width": self.load_width == 0 or self.load_width >= self.width,
        }
        for field, good in checks.items():
            if not good:
                raise LayoutRTError(
                    f"training configuration: {field} = {getattr(self, field)} is out of range"
                )

        if (self.height // 32) * (self.width // 32) < 2:
            raise LayoutRTError(
                f"training size {self.height}x{self.width} is too small: the discriminator halves it five "
                "times, and one pixel has no statistics; use 32x64 or more"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @property
    def load_size(self) -> tuple[int, int]:
        """Height and width that pairs are resized to before samples are cropped."""
        return self.load_height or self.height, self.load_width or self.width

    def rate_factor(self, step: int) -> float:
        """Factor on the learning rates at ``step``: 1, then linear to 0."""
        return min(1.0, (self.steps - step) / self.decay_steps) if self.decay_steps else 1.0

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Fields in which a stored configuration differs, as ``field: stored -> asked``.

        Where the data lies may differ: folders move.
        """
        mine = self.to_dict()
        return [
            f"{key}: {other.get(key)} -> {mine[key]}"
            for key in mine
            if key != "data" and other.get(key) != mine[key]
        ]
