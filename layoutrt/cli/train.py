"""``layoutrt train``."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from layoutrt.architectures import architecture_names
from layoutrt.cli.options import Size, is_given, size_option, torch_device
from layoutrt.errors import LayoutRTError, require
from layoutrt.train.config import (
    TrainingConfig,
    default_feature_weight,
    default_predictor_kernel,
    parse_perceptual,
)

_DATA, _NETWORKS, _LOSSES, _RUN = "Data", "Networks", "Optimization", "Run"
_DISTILLATION = "Distillation"

# Options of the configuration bear the names of TrainingConfig's fields, and have their defaults.
_DEFAULT = TrainingConfig


def train(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoints, samples, TensorBoard.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Cityscapes, ADE20K, COCO-Stuff or CamVid as published, or images/ and labels/.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="Kind of the folder, should its names not tell.", rich_help_panel=_DATA)
    ] = _DEFAULT.dataset,
    label_set: Annotated[
        str, typer.Option(help="Shipped name or .toml file.", rich_help_panel=_DATA)
    ] = "camvid",
    size: Annotated[
        Size | None,
        size_option(f"Size of the samples; {_DEFAULT.height}x{_DEFAULT.width} by default.", _DATA),
    ] = None,
    load_size: Annotated[
        Size | None,
        size_option("Size that pairs have before samples are cropped; the samples' by default.", _DATA),
    ] = None,
    enlarge: Annotated[
        float, typer.Option(help="Largest random enlargement before cropping.", rich_help_panel=_DATA)
    ] = _DEFAULT.enlarge,
    flip: Annotated[
        bool, typer.Option(help="Mirror half of the samples.", rich_help_panel=_DATA)
    ] = _DEFAULT.flip,
    instances: Annotated[
        bool,
        typer.Option(
            "--instances", help="Feed the edges of instances to the networks.", rich_help_panel=_DATA
        ),
    ] = _DEFAULT.instances,
    architecture: Annotated[
        str, typer.Option(help=f"{architecture_names()}.", rich_help_panel=_NETWORKS)
    ] = _DEFAULT.architecture,
    generator_width: Annotated[
        int, typer.Option("--width", help="Channels of the last stage.", rich_help_panel=_NETWORKS)
    ] = _DEFAULT.generator_width,
    hidden: Annotated[
        int, typer.Option(help="Hidden channels of the kernel predictors.", rich_help_panel=_NETWORKS)
    ] = _DEFAULT.hidden,
    predictor_kernel: Annotated[
        int | None,
        typer.Option(
            help="Kernel of the predictors' last convolution, 1 or 3; 3 by default for cc-fpse.",
            rich_help_panel=_NETWORKS,
        ),
    ] = None,
    pyramid_levels: Annotated[
        int, typer.Option("--levels", help="Levels of the label pyramid, 6 or 7.", rich_help_panel=_NETWORKS)
    ] = _DEFAULT.pyramid_levels,
    upsampling: Annotated[
        str,
        typer.Option(
            help="How the edge generator doubles features: nearest or smooth.", rich_help_panel=_NETWORKS
        ),
    ] = _DEFAULT.upsampling,
    latent: Annotated[
        int, typer.Option(help="Length of z; above 0 trains an encoder too.", rich_help_panel=_NETWORKS)
    ] = _DEFAULT.latent,
    discriminator: Annotated[
        str,
        typer.Option(help="pyramid (the paper's) or segmentation (OASIS').", rich_help_panel=_NETWORKS),
    ] = _DEFAULT.discriminator,
    discriminator_width: Annotated[
        int, typer.Option(rich_help_panel=_NETWORKS)
    ] = _DEFAULT.discriminator_width,
    encoder_width: Annotated[int, typer.Option(rich_help_panel=_NETWORKS)] = _DEFAULT.encoder_width,
    encoder_colors: Annotated[
        int,
        typer.Option(
            help="Side of a grid of mean colors that the encoder reads too, such as 8; 0 as in the paper.",
            rich_help_panel=_NETWORKS,
        ),
    ] = _DEFAULT.encoder_colors,
    init_gain: Annotated[
        float, typer.Option(help="Of Xavier initialization.", rich_help_panel=_NETWORKS)
    ] = _DEFAULT.init_gain,
    steps: Annotated[int, typer.Option(rich_help_panel=_LOSSES)] = _DEFAULT.steps,
    decay_steps: Annotated[
        int | None,
        typer.Option(
            help="Last steps, with falling rates; half of them by default.", rich_help_panel=_LOSSES
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch", help="Of each process.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.batch_size,
    learning_rate: Annotated[
        float,
        typer.Option(
            help="Base: the generator takes half, the discriminator double.", rich_help_panel=_LOSSES
        ),
    ] = _DEFAULT.learning_rate,
    feature_weight: Annotated[
        float | None,
        typer.Option(
            help="Of feature matching; 10 by default, 20 for COCO-Stuff's labels.", rich_help_panel=_LOSSES
        ),
    ] = None,
    perceptual: Annotated[
        str,
        typer.Option(
            help="Network of the perceptual loss: none, imagenet (EfficientNet-Lite0), segmenter (the "
            "shipped one), segmenter:PATH or vgg:PATH with torchvision's VGG-19.",
            metavar="NETWORK",
            rich_help_panel=_LOSSES,
        ),
    ] = _DEFAULT.perceptual,
    perceptual_weight: Annotated[
        float, typer.Option(help="Of the perceptual loss.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.perceptual_weight,
    kl_weight: Annotated[
        float, typer.Option(help="Of the latent's divergence for each image.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.kl_weight,
    labelmix_weight: Annotated[
        float,
        typer.Option(
            "--labelmix", help="Of LabelMix, with the segmentation discriminator.", rich_help_panel=_LOSSES
        ),
    ] = _DEFAULT.labelmix_weight,
    r1_weight: Annotated[
        float,
        typer.Option(
            "--r1", help="Of the discriminator's gradient penalty at real images.", rich_help_panel=_LOSSES
        ),
    ] = _DEFAULT.r1_weight,
    augment: Annotated[
        str,
        typer.Option(
            help="DiffAugment of what the discriminator sees: color,translation,cutout or some of it.",
            rich_help_panel=_LOSSES,
        ),
    ] = _DEFAULT.augment,
    fakes: Annotated[
        str,
        typer.Option(
            help="Images for the discriminator: anew (as published), or shared with the generator's step, "
            "which is quicker.",
            rich_help_panel=_LOSSES,
        ),
    ] = _DEFAULT.fakes,
    clip_gradients: Annotated[
        float, typer.Option(help="Largest norm of gradients; 0 for any.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.clip_gradients,
    ema_decay: Annotated[
        float, typer.Option("--ema", help="Of the averaged generator; 0 for none.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.ema_decay,
    precision: Annotated[
        str, typer.Option(help="Of the networks: float32, bf16 or fp16.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.precision,
    seed: Annotated[int, typer.Option(rich_help_panel=_LOSSES)] = _DEFAULT.seed,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="Run to distil from, or a generator.safetensors alone.", rich_help_panel=_DISTILLATION
        ),
    ] = None,
    distill_output: Annotated[
        float, typer.Option(help="Weight of the images' distance.", rich_help_panel=_DISTILLATION)
    ] = _DEFAULT.distill_output,
    distill_features: Annotated[
        float,
        typer.Option(help="Weight of the generators' features' distance.", rich_help_panel=_DISTILLATION),
    ] = _DEFAULT.distill_features,
    distill_discriminator: Annotated[
        float,
        typer.Option(
            help="Weight of the distance of the teacher's discriminator's features.",
            rich_help_panel=_DISTILLATION,
        ),
    ] = _DEFAULT.distill_discriminator,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in --out as configured then.", rich_help_panel=_RUN),
    ] = False,
    init: Annotated[
        Path | None, typer.Option(help="Another run whose networks to start from.", rich_help_panel=_RUN)
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that load data.", rich_help_panel=_RUN)] = 0,
    checkpoint_every: Annotated[int, typer.Option(min=1, help="In steps.", rich_help_panel=_RUN)] = 500,
    checkpoint_minutes: Annotated[
        float, typer.Option(min=0.0, help="One also after so many minutes.", rich_help_panel=_RUN)
    ] = 5.0,
    keep: Annotated[
        int,
        typer.Option(
            min=0,
            help="Checkpoints of every --checkpoint-every steps to keep besides the last.",
            rich_help_panel=_RUN,
        ),
    ] = 0,
    sample_every: Annotated[int, typer.Option(min=1, help="In steps.", rich_help_panel=_RUN)] = 500,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_RUN)] = "auto",
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the networks with torch.compile.", rich_help_panel=_RUN)
    ] = False,
    checkpoint_blocks: Annotated[
        bool,
        typer.Option(
            "--checkpoint-blocks",
            help="Save memory: compute the generator's blocks again in backward.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    stop_after: Annotated[
        int | None,
        typer.Option(min=1, help="Leave early, with a checkpoint, at this step.", rich_help_panel=_RUN),
    ] = None,
) -> None:
    """Train a generator on a folder of images and label maps.

    Defaults are the paper's. Ctrl-C and SIGTERM stop a run with a checkpoint; one that was stopped, or
    killed, continues exactly with `--resume`. Under `torchrun`, processes share each step, and restarted ones
    continue by themselves.

    Examples:

    `layoutrt train --data camvid --out runs/camvid --size 192x256 --steps 20000 --width 16`

    `layoutrt train --out runs/camvid --resume`

    `layoutrt train --data camvid --out runs/edge --architecture edge --width 16 --teacher runs/camvid`

    `torchrun --nproc-per-node 4 --max-restarts 3 -m layoutrt train --data camvid --out runs/four`
    """
    given = {name for name in context.params if is_given(context, name)}
    if resume and init:
        raise LayoutRTError("--resume and --init exclude each other; a resumed run has its networks already")
    if not resume and data is None:
        raise LayoutRTError("--data is missing; give a folder of images and labels")
    require("torch", extra="train", purpose="layoutrt train")
    options = _configuration_options(context.params)
    if resume:
        own = _run_configuration(out)
        # Options on the command line may repeat the run's own values; the trainer refuses others.
        config = replace(own, **{name: value for name, value in options.items() if _source(name) in given})
    else:
        config = TrainingConfig(**options)

    from rich.console import Console

    from layoutrt.train.loop.run import train
    from layoutrt.train.scaling.distributed import from_environment

    checkpoint = train(
        config,
        out,
        resume=resume,
        init=init,
        workers=workers,
        checkpoint_every=checkpoint_every,
        checkpoint_minutes=checkpoint_minutes,
        keep=keep,
        sample_every=sample_every,
        device=torch_device(device),
        stop_after=stop_after,
        compile=compile,
        recompute=checkpoint_blocks,
    )
    if from_environment().first:
        Console(highlight=False, soft_wrap=True, markup=False, emoji=False).print(f"wrote {checkpoint}")


def _configuration_options(params: dict[str, Any]) -> dict[str, Any]:
    """The fields of TrainingConfig as the options say."""
    height, width = params["size"] or (TrainingConfig.height, TrainingConfig.width)
    load_height, load_width = params["load_size"] or (0, 0)
    steps = params["steps"]
    named = {field.name: params[field.name] for field in fields(TrainingConfig) if field.name in params}
    architecture, feature_weight = params["architecture"], params["feature_weight"]
    kind, file = parse_perceptual(params["perceptual"])
    if feature_weight is None:
        feature_weight = default_feature_weight(params["label_set"])
    return named | {
        "data": str(params["data"] or ""),
        "teacher": str(params["teacher"] or ""),
        "predictor_kernel": params["predictor_kernel"] or default_predictor_kernel(architecture),
        "feature_weight": feature_weight,
        "perceptual": kind,
        "perceptual_file": file,
        "height": height,
        "width": width,
        "load_height": load_height,
        "load_width": load_width,
        "decay_steps": steps // 2 if params["decay_steps"] is None else params["decay_steps"],
    }


def _source(field: str) -> str:
    """The option that a field of TrainingConfig comes from."""
    sources = {"height": "size", "width": "size", "load_height": "load_size", "load_width": "load_size"}
    return (sources | {"perceptual_file": "perceptual"}).get(field, field)


def _run_configuration(run: Path) -> TrainingConfig:
    from layoutrt.train.checkpoint import STATE_FILE, load_tensors

    if not (run / STATE_FILE).is_file():
        raise LayoutRTError(f"{run} holds no run to resume; check --out, or start one without --resume")
    stored = load_tensors(run / STATE_FILE, "training")[1]["config"]
    unknown = sorted(set(stored) - {field.name for field in fields(TrainingConfig)})
    if unknown:
        raise LayoutRTError(f"{run} has unknown options {', '.join(unknown)}; upgrade layoutrt to resume it")
    return TrainingConfig.stored(stored)
