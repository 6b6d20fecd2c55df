"""Published generator checkpoints to ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from layoutrt.errors import LayoutRTError
from layoutrt.files import check_not_inputs, file_digest
from layoutrt.layouts import LABEL_SETS, LabelSet, label_set, numbered_label_set
from layoutrt.train.checkpoint import save_generator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.published_weights import read_state_dict

UNUSED = (".conv_0.norm_layer.", ".conv_2.norm_layer.", ".norm_0.")
"""Modules that the release creates, stores and never uses."""


def import_checkpoint(
    path: str | Path,
    out: str | Path,
    *,
    num_classes: int | None = None,
    dont_care: bool = False,
    instances: bool = False,
    size: tuple[int, int] | None = None,
    label_set: str | None = None,
) -> GeneratorConfig:
    """Turn a published generator's state dict into a safetensors checkpoint.

    Width, pyramid depth, latent, predictor shape and semantic channels are read off the tensors; the options
    say how the semantic channels divide into classes, don't care and instance edges.

    Args:
        path: ``.pth`` file of tensors.
        out: safetensors file to write.
        num_classes: named classes, without "don't care"; by default what is left of the channels.
        dont_care: true if one more channel stands for "don't care".
        instances: true if one more channel holds instance edges.
        size: height and width the network was trained at; 256x256 (256x512 for 7 levels) by default.
        label_set: name or file of the label set; by default the shipped one with that many classes.

    Returns:
        The configuration that was read off.

    Raises:
        LayoutRTError: not a file of tensors, not this generator, or options that contradict it.
    """
    path = Path(path)
    check_not_inputs([out], [path])
    state = _published_state(path)
    config = _configuration(state, path)
    extra = int(dont_care) + int(instances)
    channels = config.num_classes
    if num_classes is None:
        num_classes = channels - extra
    if num_classes < 1 or num_classes + extra != channels:
        parts = [f"{num_classes} classes"]
        parts += ["1 for don't care"] if dont_care else []
        parts += ["1 instance edge"] if instances else []
        raise LayoutRTError(
            f"{path} reads {channels} semantic channels, but {' + '.join(parts)} make {num_classes + extra}; "
            "correct --num-classes, --dont-care or --instances"
        )
    labels = _labels(num_classes, dont_care, label_set)
    height, width = size or ((256, 512) if config.pyramid_levels == 7 else (256, 256))
    config = replace(
        config,
        num_classes=labels.num_classes,
        instance_edges=instances,
        image_height=height,
        image_width=width,
    )
    generator = Generator(config)
    _load(generator, state, path)
    provenance = {"imported_from": path.name, "sha256": file_digest(path)}
    save_generator(out, generator.state_dict(), config, labels, provenance)
    return config


def _published_state(path: Path) -> dict[str, Tensor]:
    state = read_state_dict(path, "a published generator (…_net_G.pth)")
    return {
        str(name).removeprefix("module."): value
        for name, value in state.items()
        if not any(part in f".{str(name).removeprefix('module.')}" for part in UNUSED)
    }


def _configuration(state: dict[str, Tensor], path: Path) -> GeneratorConfig:
    """Everything the tensor shapes say; ``num_classes`` holds all semantic channels, sizes are to be set."""
    try:
        first = state["labelenc1.0.0.weight_orig"]
        hidden = state["head_0.gen_weights1.0.weight"]
        last = state["head_0.gen_weights1.2.weight"]
        head = state["fc.weight"]
    except KeyError as error:
        raise LayoutRTError(
            f"{path} is not a CC-FPSE generator: it has no tensor {error}; "
            "give the generator's file (…_net_G.pth)"
        ) from None
    levels = sum(name.startswith("labelenc") and name.endswith("0.0.weight_orig") for name in state)
    if levels not in (6, 7):
        raise LayoutRTError(f"{path} has a label pyramid of {levels} levels; only 6 and 7 are known")
    side = 2 ** (levels - 1)
    return GeneratorConfig(
        num_classes=first.shape[1],
        width=first.shape[0],
        hidden=hidden.shape[0],
        predictor_kernel=last.shape[-1],
        pyramid_levels=levels,
        latent=head.shape[1] if head.ndim == 2 else 0,
        image_height=side,
        image_width=side,
    )


def _labels(num_classes: int, dont_care: bool, name: str | None) -> LabelSet:
    wanted = num_classes + int(dont_care)
    if name is not None:
        labels = label_set(name)
        if labels.num_classes != wanted:
            raise LayoutRTError(
                f"label set '{labels.name}' has {labels.num_classes} classes (don't care included), "
                f"the checkpoint {wanted}; choose another --label-set"
            )
        return labels
    for shipped in LABEL_SETS:
        labels = label_set(shipped)
        if len(labels.labels) == num_classes and labels.num_classes == wanted:
            return labels
    return numbered_label_set(num_classes, dont_care)


def _load(generator: Generator, state: dict[str, Tensor], path: Path) -> None:
    mine = generator.state_dict()
    missing = sorted(name for name in set(mine) - set(state) if not name.endswith("num_batches_tracked"))
    foreign = sorted(set(state) - set(mine))
    if missing or foreign:
        problem = f"lacks {missing[0]}" if missing else f"has the unknown tensor {foreign[0]}"
        raise LayoutRTError(f"{path} is not a CC-FPSE generator that is known here: it {problem}")
    for name, tensor in state.items():
        if tensor.shape != mine[name].shape:
            hint = "; give its training size with --size" if name.startswith("fc.") else ""
            raise LayoutRTError(
                f"{path}: {name} has the shape {list(tensor.shape)}, expected {list(mine[name].shape)}{hint}"
            )
    generator.load_state_dict(state, strict=False)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
