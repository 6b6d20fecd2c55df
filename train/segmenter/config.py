"""Configuration of a segmenter's training; stored with the run and compared on resume."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.train.config import last_parts, same_name
from layoutrt.train.config_fields import check_limits, limited, option
from layoutrt.train.networks.segmenter_config import SIZE_MULTIPLE


@dataclass(frozen=True, kw_only=True)
class SegmenterTrainingConfig:
    """Configuration of a run; every field with an `option` is set by `layoutrt train-segmenter`."""

    data: str = option("", "Folder of a data set, with its training and validation split.", kind="path")
    dataset: str = option(
        "auto",
        "Kind of the data set: auto, cityscapes, ade20k, coco-stuff, camvid or folders.",
    )
    label_set: str = option("camvid", "Label set of the data: a shipped name or a .toml file.")
    height: int = option(
        192, "Height and width of the crops; 192x256 by default.", name="size", kind="size", also=("width",)
    )
    width: int = 256
    enlarge: float = option(2.0, "Largest random enlargement before a crop is taken.", at_least=1)
    network_width: int = option(24, "Channels at half size.", flag="--width", at_least=3)
    steps: int = option(5000, "Steps of the whole run.", at_least=1)
    batch_size: int = option(8, "Crops in a step.", flag="--batch", at_least=1)
    # Rises linearly over the first 100 steps (a tenth of a shorter run), then falls as (1 - t)^0.9 (Chen et
    # al., arXiv 1606.00915, section 4.1).
    learning_rate: float = option(
        2e-3, "Peak of the learning rate, which rises over 100 steps and then falls to 0.", above=0
    )
    weight_decay: float = limited(1e-2, at_least=0)
    color: float = option(
        0.3, "Largest relative change of brightness, contrast and color.", at_least=0, below=1
    )
    ema_decay: float = option(
        0.998, "Decay of the network's moving average; 0 turns it off.", flag="--ema", at_least=0, below=1
    )
    seed: int = option(0, "Seed of all randomness of the run.", at_least=0, below=1 << 63)

    def __post_init__(self) -> None:
        check_limits(self, "segmenter training configuration")
        if self.height * self.width < 2 * SIZE_MULTIPLE**2:
            raise LayoutRTError(
                f"training size {self.height}x{self.width} is too small: the segmenter divides it by "
                f"{SIZE_MULTIPLE}, and one pixel has no statistics; use {SIZE_MULTIPLE}x{2 * SIZE_MULTIPLE} "
                "or more"
            )

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        warmup = min(100, self.steps // 10)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        progress = (step - warmup) / (self.steps - warmup)
        return self.learning_rate * (1 - progress) ** 0.9

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def provenance(self) -> dict[str, Any]:
        """Plain values for a checkpoint that is given away: paths are reduced to their last part."""
        return last_parts(self.to_dict())

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Fields in which a stored configuration differs, as ``field: stored -> asked``; folders may move."""
        stored = {field.name: field.default for field in fields(self)} | other
        return [
            f"{key}: {stored[key]} -> {value}"
            for key, value in self.to_dict().items()
            if key != "data" and stored[key] != value and not same_name(key, stored[key], value)
        ]
