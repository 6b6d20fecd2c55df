"""Configuration of a training run; stored with the run and compared on resume."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from layoutrt.architectures import ARCHITECTURES, architecture, architecture_names
from layoutrt.errors import LayoutRTError
from layoutrt.train.config_fields import check_limits, either, limited, option
from layoutrt.train.networks.encoder_config import EncoderConfig
from layoutrt.train.networks.generator_config import UPSAMPLINGS, GeneratorConfig

_DATA, _NETWORKS, _OPTIMIZATION, _DISTILLATION = "Data", "Networks", "Optimization", "Distillation"

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
"""Values that runs had before a field existed, where they are not its default."""


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


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Configuration of a generator's training; the defaults are the paper's recipe (section 4.1).

    Every field with an `option` is set by `layoutrt train`, in the order of the fields. A field that a stored
    configuration lacks had its default then, or the value in `EARLIER`: new fields keep old runs as they
    were.
    """

    data: str = option(
        "",
        "Folder of Cityscapes, ADE20K, COCO-Stuff or CamVid as published, or of images/ and labels/.",
        panel=_DATA,
        kind="path",
    )
    dataset: str = option(
        "auto",
        "Kind of the folder, where its names do not tell: auto, cityscapes, ade20k, coco-stuff, camvid or "
        "folders.",
        panel=_DATA,
    )
    label_set: str = option("camvid", "Label set of the data: a shipped name or a .toml file.", panel=_DATA)
    height: int = option(
        256,
        "Height and width of the samples; 256x256 by default.",
        panel=_DATA,
        name="size",
        kind="size",
        also=("width",),
    )
    width: int = 256
    load_height: int = option(
        0,
        "Height and width that pairs are resized to before samples are cropped; --size by default.",
        panel=_DATA,
        name="load_size",
        kind="size",
        also=("load_width",),
    )
    load_width: int = 0
    """0 for the samples' own, as ``load_height``."""
    enlarge: float = option(
        1.15, "Largest random enlargement before a sample is cropped.", panel=_DATA, at_least=1
    )
    flip: bool = option(True, "Mirror half of the samples.", panel=_DATA)
    instances: bool = option(False, "Feed the edges of instances to the networks.", panel=_DATA)

    architecture: str = option(
        "cc-fpse",
        f"Architecture of the generator: {architecture_names()}.",
        panel=_NETWORKS,
        choices=ARCHITECTURES,
    )
    generator_width: int = option(
        64, "Channels of the generator's last stage.", panel=_NETWORKS, flag="--width", at_least=1
    )
    hidden: int = option(128, "Hidden channels of the kernel predictors.", panel=_NETWORKS, at_least=1)
    predictor_kernel: int = option(
        3,
        "Kernel of the predictors' last convolution, 1 or 3; by default 3 for cc-fpse and 1 for the others.",
        panel=_NETWORKS,
        derive=lambda options: default_predictor_kernel(options["architecture"]),
        choices=(1, 3),
    )
    pyramid_levels: int = option(
        6, "Levels of the label pyramid, 6 or 7.", panel=_NETWORKS, flag="--levels", choices=(6, 7)
    )
    upsampling: str = option(
        "nearest",
        f"Way of doubling features in the edge generator: {either(UPSAMPLINGS)}.",
        panel=_NETWORKS,
        choices=UPSAMPLINGS,
    )
    latent: int = option(
        0, "Length of the latent z; above 0 trains an image encoder too.", panel=_NETWORKS, at_least=0
    )
    discriminator: str = option(
        "pyramid",
        "Discriminator: pyramid (the paper's) or segmentation (that of OASIS).",
        panel=_NETWORKS,
        choices=DISCRIMINATORS,
    )
    discriminator_width: int = option(
        64, "Channels of the discriminator's first layer.", panel=_NETWORKS, at_least=1
    )
    encoder_width: int = option(
        64, "Channels of the image encoder's first layer.", panel=_NETWORKS, at_least=1
    )
    encoder_colors: int = option(
        0,
        "Side of a grid of mean colors that the image encoder reads too, such as 8; 0 turns it off, as in "
        "the paper.",
        panel=_NETWORKS,
        choices=(0, 1, 2, 4, 8, 16),
    )
    init_gain: float = option(
        0.02,
        "Gain of the Xavier initialization; the published 0.02 suits long runs, short ones learn sooner "
        "from 1.",
        panel=_NETWORKS,
        above=0,
    )

    steps: int = option(100_000, "Steps of the whole run.", panel=_OPTIMIZATION, at_least=1)
    decay_steps: int = option(
        50_000,
        "Last steps, over which the learning rates fall linearly to zero; half of --steps by default.",
        panel=_OPTIMIZATION,
        derive=lambda options: options["steps"] // 2,
        at_least=0,
    )
    batch_size: int = option(
        4, "Samples in a step of each process.", panel=_OPTIMIZATION, flag="--batch", at_least=1
    )
    learning_rate: float = option(
        2e-4,
        "Base learning rate: the generator takes half of it, the discriminator double.",
        panel=_OPTIMIZATION,
        above=0,
    )
    feature_weight: float = option(
        10.0,
        "Weight of feature matching; by default 10, or 20 for the label set coco-stuff.",
        panel=_OPTIMIZATION,
        derive=lambda options: default_feature_weight(options["label_set"]),
        at_least=0,
    )
    perceptual: str = option(
        "none",
        "Network of the perceptual loss: none, imagenet (EfficientNet-Lite0), segmenter (the shipped one), "
        "segmenter:PATH or vgg:PATH with torchvision's VGG-19.",
        panel=_OPTIMIZATION,
        metavar="NETWORK",
        also=("perceptual_file",),
        parse=parse_perceptual,
        choices=PERCEPTUAL,
    )
    perceptual_file: str = ""
    """Its weights: a path, the name of a shipped segmenter, or nothing for ImageNet's installed package."""
    perceptual_sha256: str = ""
    """SHA-256 of that file; the trainer fills it in."""
    perceptual_weight: float = option(10.0, "Weight of the perceptual loss.", panel=_OPTIMIZATION, at_least=0)
    kl_weight: float = option(
        0.05,
        "Weight of the latent's divergence, the mean over the images as published.",
        panel=_OPTIMIZATION,
        at_least=0,
    )
    labelmix_weight: float = option(
        10.0,
        "Weight of LabelMix's consistency, with the segmentation discriminator.",
        panel=_OPTIMIZATION,
        flag="--labelmix",
        at_least=0,
    )
    r1_weight: float = option(
        0.0,
        "Weight of the penalty on the discriminator's gradients at real images.",
        panel=_OPTIMIZATION,
        flag="--r1",
        at_least=0,
    )
    augment: str = option(
        "",
        f"DiffAugment of what the discriminator sees: {','.join(AUGMENTATIONS)} or some of it.",
        panel=_OPTIMIZATION,
    )
    fakes: str = option(
        "anew",
        "Images for the discriminator: anew, made after the generator's update as published, or shared with "
        "the generator's step, which is quicker.",
        panel=_OPTIMIZATION,
        choices=FAKES,
    )
    clip_gradients: float = option(
        0.0,
        "Largest norm of an update's gradients; 0 turns clipping off.",
        panel=_OPTIMIZATION,
        at_least=0,
    )
    ema_decay: float = option(
        0.999,
        "Decay of the generator's moving average; 0 turns it off.",
        panel=_OPTIMIZATION,
        flag="--ema",
        at_least=0,
        below=1,
    )
    precision: str = option(
        "float32",
        f"Precision of the networks' arithmetic: {either(PRECISIONS)}; weights, losses and norms' statistics "
        "stay float32.",
        panel=_OPTIMIZATION,
        choices=PRECISIONS,
    )
    seed: int = option(
        0, "Seed of all randomness of the run.", panel=_OPTIMIZATION, at_least=0, below=1 << 63
    )
    processes: int = limited(1, at_least=1)
    """Processes that share a step, each with ``batch_size`` samples; the trainer fills it in."""

    teacher: str = option(
        "",
        "Run to distill from, or a generator.safetensors alone.",
        panel=_DISTILLATION,
        kind="path",
    )
    teacher_sha256: str = ""
    """SHA-256 of its generator's file; the trainer fills it in."""
    teacher_discriminator_sha256: str = ""
    """SHA-256 of its training state; empty where the teacher is a generator alone."""
    distill_output: float = option(
        10.0,
        "Weight of the distance between the student's image and the teacher's.",
        panel=_DISTILLATION,
        at_least=0,
    )
    distill_features: float = option(
        10.0,
        "Weight of the distance between the generators' intermediate features.",
        panel=_DISTILLATION,
        at_least=0,
    )
    distill_discriminator: float = option(
        10.0,
        "Weight of the distance between the features of the teacher's discriminator in both images.",
        panel=_DISTILLATION,
        at_least=0,
    )

    def __post_init__(self) -> None:
        check_limits(self, "training configuration")
        relations = {
            "decay_steps": (self.decay_steps <= self.steps, f"at most steps, {self.steps}"),
            "augment": (set(self.augmentations) <= set(AUGMENTATIONS), f"some of {','.join(AUGMENTATIONS)}"),
            "load_height": (
                self.load_height == 0 or self.load_height >= self.height,
                f"0 or at least height, {self.height}",
            ),
            "load_width": (
                self.load_width == 0 or self.load_width >= self.width,
                f"0 or at least width, {self.width}",
            ),
        }
        for field, (good, remedy) in relations.items():
            if not good:
                raise LayoutRTError(
                    f"training configuration: {field} = {getattr(self, field)} is out of range; "
                    f"it must be {remedy}"
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
        """Configuration of this run's generator.

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
        """Configuration of this run's image encoder."""
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
    """True where two values are paths with the same last part."""
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
