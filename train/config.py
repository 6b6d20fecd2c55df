"""What a training run is asked to do; stored with the run and compared on resume."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from layoutrt.architectures import architecture
from layoutrt.errors import LayoutRTError
from layoutrt.train.networks.encoder_config import EncoderConfig
from layoutrt.train.networks.generator_config import GeneratorConfig

PERCEPTUAL = ("none", "imagenet", "segmenter", "vgg")
DISCRIMINATORS = ("pyramid", "segmentation")
FAKES = ("anew", "shared")
AUGMENTATIONS = ("color", "translation", "cutout")
"""Kinds of DiffAugment."""
PRECISIONS = ("float32", "bf16", "fp16")
PATHS = ("data", "perceptual_file", "teacher")
"""Fields that say where something lies; folders move, so they may differ when a run is resumed."""
NAMED = (*PATHS, "label_set")
"""Fields of which a path's last part says what they are: a label set may be a file, too."""
EARLIER = {"fakes": "shared"}
"""What runs did that were stored before a field existed, where that is not its default."""


@dataclass(frozen=True)
class TrainingConfig:
    """Defaults are the paper's recipe (section 4.1) where it states one.

    A field that a stored configuration lacks had its default then, or the value in `EARLIER`: new fields keep
    old runs as they were.
    """

    data: str
    label_set: str
    dataset: str = "auto"
    """Kind of data set, as `open_dataset` takes it."""
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
    architecture: str = "cc-fpse"
    """A key of `layoutrt.architectures.ARCHITECTURES`."""
    instances: bool = False
    """Whether the networks read an instance-edge channel."""
    generator_width: int = 64
    hidden: int = 128
    predictor_kernel: int = 3
    pyramid_levels: int = 6
    upsampling: str = "nearest"
    """Of the edge generator: ``"nearest"`` or ``"smooth"``."""
    latent: int = 0
    """Length of ``z``; above 0 an image encoder is trained with the generator."""
    discriminator: str = "pyramid"
    """``"pyramid"``, the paper's, or ``"segmentation"``, that of OASIS."""
    discriminator_width: int = 64
    encoder_width: int = 64
    encoder_colors: int = 0
    """Side of the grid of mean colors that the encoder reads besides its features; 0 in the paper."""
    learning_rate: float = 2e-4
    """Base rate; the generator takes half, the discriminator double (two time scales)."""
    feature_weight: float = 10.0
    kl_weight: float = 0.05
    """For the mean of the images' divergences, as published."""
    labelmix_weight: float = 10.0
    """Of LabelMix' consistency, with the segmentation discriminator."""
    r1_weight: float = 0.0
    """Of the penalty on the discriminator's gradients at real images."""
    augment: str = ""
    """What DiffAugment does to the discriminator's pictures: ``"color,translation,cutout"`` or some of it."""
    fakes: str = "anew"
    """Which images the discriminator learns from: ``"anew"``, made after the generator's update as published,
    or ``"shared"``, those of the generator's step."""
    clip_gradients: float = 0.0
    """Largest norm of an update's gradients; 0 for any."""
    perceptual: str = "none"
    """Network of the perceptual loss: ``"none"``, ``"imagenet"``, ``"segmenter"`` or ``"vgg"``."""
    perceptual_file: str = ""
    """Its weights: a path, the name of a shipped segmenter, or nothing for ImageNet's installed package."""
    perceptual_sha256: str = ""
    """Of that file; the trainer fills it in."""
    perceptual_weight: float = 10.0
    teacher: str = ""
    """Run folder or generator checkpoint to distil from; empty for none."""
    teacher_sha256: str = ""
    """Of its generator's file; the trainer fills it in."""
    teacher_discriminator_sha256: str = ""
    """Of its training state; empty where the teacher is a generator alone."""
    distill_output: float = 10.0
    """Weight of the distance between the student's and the teacher's image."""
    distill_features: float = 10.0
    """Weight of the distance between their intermediate features."""
    distill_discriminator: float = 10.0
    """Weight of the distance between what the teacher's discriminator sees in their images."""
    precision: str = "float32"
    """Of the networks' arithmetic; weights, losses and the statistics of norms are always float32."""
    processes: int = 1
    """Which share a step; ``batch_size`` is that of each."""
    ema_decay: float = 0.999
    """Of the averaged generator that is written out; 0 writes the last one."""
    enlarge: float = 1.15
    flip: bool = True
    """Whether half of the samples are mirrored."""
    init_gain: float = 0.02
    """Of Xavier initialization. The published value suits long runs; short ones learn sooner from 1."""
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            "steps": self.steps >= 1,
            "decay_steps": 0 <= self.decay_steps <= self.steps,
            "batch_size": self.batch_size >= 1,
            "processes": self.processes >= 1,
            "pyramid_levels": self.pyramid_levels in (6, 7),
            "perceptual": self.perceptual in PERCEPTUAL,
            "discriminator": self.discriminator in DISCRIMINATORS,
            "fakes": self.fakes in FAKES,
            "augment": set(self.augmentations) <= set(AUGMENTATIONS),
            "encoder_colors": self.encoder_colors in (0, 1, 2, 4, 8, 16),
            "precision": self.precision in PRECISIONS,
            **{
                name: 0 <= getattr(self, name) < math.inf
                for name in (
                    "feature_weight",
                    "kl_weight",
                    "labelmix_weight",
                    "r1_weight",
                    "clip_gradients",
                    "perceptual_weight",
                    "distill_output",
                    "distill_features",
                    "distill_discriminator",
                )
            },
            "discriminator_width": self.discriminator_width >= 1,
            "encoder_width": self.encoder_width >= 1,
            "learning_rate": 0 < self.learning_rate < math.inf,
            "ema_decay": 0 <= self.ema_decay < 1,
            "enlarge": 1 <= self.enlarge < math.inf,
            "init_gain": 0 < self.init_gain < math.inf,
            "seed": 0 <= self.seed < 1 << 63,
            "load_height": self.load_height == 0 or self.load_height >= self.height,
            "load_width": self.load_width == 0 or self.load_width >= self.width,
        }
        for field, good in checks.items():
            if not good:
                raise LayoutRTError(
                    f"training configuration: {field} = {getattr(self, field)} is out of range"
                )

        smallest = 2 ** max(5, self.pyramid_levels - 1)
        if (self.height // smallest) * (self.width // smallest) < 2:
            raise LayoutRTError(
                f"training size {self.height}x{self.width} is too small: the networks divide it by "
                f"{smallest}, and one pixel has no statistics; use {smallest}x{2 * smallest} or more"
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

    def generator_config(self, num_classes: int) -> GeneratorConfig:
        """What the generator of this run is built from.

        Crops are seen at the scale of the whole picture, so that is the size the generator is made for. The
        paper's with a latent makes nothing but its crops' size.

        Raises:
            LayoutRTError: the options do not fit each other.
        """
        fixed = self.latent > 0 and architecture(self.architecture).latent_fixes_size
        height, width = (self.height, self.width) if fixed else self.load_size
        return GeneratorConfig(
            num_classes=num_classes,
            instance_edges=self.instances,
            width=self.generator_width,
            hidden=self.hidden,
            predictor_kernel=self.predictor_kernel,
            pyramid_levels=self.pyramid_levels,
            latent=self.latent,
            image_height=height,
            image_width=width,
            architecture=self.architecture,
            upsampling=self.upsampling,
        )

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The kinds in ``augment``."""
        return tuple(part.strip() for part in self.augment.split(",") if part.strip())

    def encoder_config(self) -> EncoderConfig:
        """What the image encoder of this run is built from."""
        return EncoderConfig(self.encoder_width, self.latent, self.encoder_colors, self.height, self.width)

    @staticmethod
    def stored(values: dict[str, Any]) -> TrainingConfig:
        """The configuration that a run was stored with, by this version or an earlier one."""
        return TrainingConfig(**{**EARLIER, **values})

    def provenance(self) -> dict[str, Any]:
        """Plain values for a checkpoint that is given away: paths are reduced to their last part."""
        return last_parts(self.to_dict())

    def differences(self, other: dict[str, Any], names: tuple[str, ...] = ()) -> list[str]:
        """Fields in which a stored configuration differs, as ``field: stored -> asked``.

        Args:
            other: the stored one.
            names: the fields to compare; all but ``PATHS`` by default.
        """
        mine = self.to_dict()
        stored = {field.name: field.default for field in fields(self)} | EARLIER | other
        return [
            f"{key}: {stored[key]} -> {mine[key]}"
            for key in names or mine
            if key not in PATHS and stored[key] != mine[key] and not same_name(key, stored[key], mine[key])
        ]


def last_parts(values: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose paths are reduced to their last part."""
    return {key: Path(value).name if key in NAMED else value for key, value in values.items()}


def same_name(field: str, stored: Any, asked: Any) -> bool:
    """Whether two values are paths with the same last part."""
    return field in NAMED and Path(stored).name == Path(asked).name


ARCHITECTURE_FIELDS = (
    "architecture",
    "instances",
    "generator_width",
    "hidden",
    "predictor_kernel",
    "pyramid_levels",
    "upsampling",
    "latent",
    "discriminator",
    "discriminator_width",
    "encoder_width",
    "encoder_colors",
)
"""Fields that say which tensors the networks have, besides the label set."""


def default_feature_weight(label_set: str) -> float:
    """Weight of feature matching in the paper's recipe: 20 for COCO-Stuff, 10 for the other data sets."""
    return 20.0 if label_set == "coco-stuff" else 10.0


def default_predictor_kernel(name: str) -> int:
    """Kernel of the predictors' last convolution: 3 as in the paper, unless the architecture fixes it."""
    return int(architecture(name).fixed.get("predictor_kernel", 3))


def parse_perceptual(text: str) -> tuple[str, str]:
    """Kind and file of ``none``, ``imagenet[:PATH]``, ``segmenter[:PATH]`` or ``vgg:PATH``.

    Raises:
        LayoutRTError: the text is of another form.
    """
    kind, _, file = text.partition(":")
    if kind == "segmenter":
        file = file or "camvid-seg"
    if (kind == "none" and not file) or kind == "imagenet" or (kind in ("segmenter", "vgg") and file):
        return kind, file
    raise LayoutRTError(
        f"--perceptual {text} is not known; choose none, imagenet, segmenter, segmenter:PATH or vgg:PATH, "
        "where VGG's file holds torchvision's weights of VGG-19"
    )
