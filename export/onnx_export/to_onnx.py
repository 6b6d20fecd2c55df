"""A generator's or segmenter's checkpoint to one ONNX file that every backend runs."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
import torch
from torch import Tensor, nn

from layoutrt import __version__
from layoutrt.artifacts.model_info import (
    CHECKPOINT,
    ENCODER,
    FORMAT,
    SEGMENTER,
    read_model_info,
)
from layoutrt.errors import LayoutRTError, require
from layoutrt.export.graphs.build import inference_pipeline
from layoutrt.export.graphs.encoder import EncoderPipeline
from layoutrt.export.graphs.segmenter import SegmenterPipeline
from layoutrt.export.onnx_export.layout_cache import LATENT, Halves, render_path, require_latent, split_model
from layoutrt.files import check_not_inputs, file_digest
from layoutrt.graph.cost import Cost, graph_cost
from layoutrt.graph.onnx_file import save_model
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_checkpoint
from layoutrt.operators import BODY_OPSET, DOMAIN, VERSION
from layoutrt.operators.conv_to_image import CONV_TO_IMAGE
from layoutrt.operators.gated_predicted_conv import ALPHA, GATED_PREDICTED_CONV
from layoutrt.operators.layout_conv import LAYOUT_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.spatially_varying_conv import SPATIALLY_VARYING_CONV
from layoutrt.train.checkpoint import load_encoder, load_generator, load_segmenter
from layoutrt.train.networks.encoder_config import EncoderConfig
from layoutrt.train.networks.generator_config import GeneratorConfig
from layoutrt.train.networks.registry import AnyGenerator
from layoutrt.train.networks.segmenter import Segmenter, SegmenterConfig

MOST_BYTES = 2_000_000_000
"""Largest size of the weights: protobuf ends at 2 GiB, and the graph needs room too."""


@dataclass(frozen=True)
class ExportReport:
    """Files that were written, and the savings of folding and merging."""

    path: Path
    size: tuple[int, int]
    """Height and width that the costs are for."""
    cost: Cost
    straight: Cost | None
    """Cost of the training network exported as it is, with one-hot input; None if not requested."""
    halves: HalvesReport | None = None
    """Render half of a model that was split; None for one file."""


@dataclass(frozen=True)
class HalvesReport:
    """The two graphs of a model that keeps its computations of a layout."""

    render_path: Path
    layout: Cost
    """Cost of the layout half, which runs once for every layout."""
    render: Cost
    """Cost of the render half, which runs for every image."""
    cached_bytes: int
    """Memory for the outputs of the layout half."""


def export_onnx(
    checkpoint: str | Path,
    out: str | Path,
    *,
    size: tuple[int, int] | None = None,
    dynamic: bool = False,
    batch: int = 1,
    cache_layout: bool = False,
    compare: bool = True,
) -> ExportReport:
    """Export a generator, a segmenter or an image encoder.

    Args:
        checkpoint: its safetensors file, the folder of its run, or a shipped name.
        out: the ONNX file to write; `layoutrt.graph.onnx_file` says when weights go to a file beside it.
        size: height and width of the graph; the training size by default.
        dynamic: leave batch, height and width open instead.
        batch: images per run of a graph with a fixed size.
        cache_layout: write two graphs, ``out`` for what depends on the layout alone and a second file beside
            it for the rest, so that more images of one layout cost little; for generators with a latent. See
            `layoutrt.export.onnx_export.layout_cache`, also for the memory that it takes.
        compare: also export a generator's training network as it is and count its cost.

    Raises:
        LayoutRTError: the checkpoint cannot be read, or cannot make that size.
    """
    checkpoint = resolve_checkpoint(checkpoint)
    check_not_inputs([out], [checkpoint])
    info = read_model_info(resolve_checkpoint(checkpoint))
    checkpoint = info.path
    if info.format != CHECKPOINT:
        raise LayoutRTError(f"{info.path} is exported already; give the .safetensors file it was made of")
    if info.kind == ENCODER:
        return _export_encoder(checkpoint, out, size=size, dynamic=dynamic, batch=batch)
    network, labels, provenance = (load_segmenter if info.kind == SEGMENTER else load_generator)(checkpoint)
    config = network.config
    if cache_layout:
        require_latent(getattr(config, "latent", 0) > 0)
    size = size or (config.image_height, config.image_width)
    config.check_size(*size)
    _check_weights(checkpoint, network)
    straight = None
    if isinstance(network, Segmenter):
        model = segmenter_model(network, labels, size=size, dynamic=dynamic, batch=batch)
    else:
        _check_latent(checkpoint, network.config, size, dynamic)
        model = generator_model(network, labels, size=size, dynamic=dynamic, batch=batch)
        straight = graph_cost(straight_model(network, size), size) if compare else None
    _describe(model, checkpoint, info.kind, labels, config, provenance, size)
    cost = graph_cost(model, size)
    if not cache_layout:
        save_model(model, out)
        return ExportReport(Path(out), size, cost, straight)
    halves = split_model(model, out)
    report = _halves_report(halves, out, size)
    # The layout half is what a user opens, so it appears last.
    save_model(halves.render, render_path(out))
    save_model(halves.layout, out)
    return ExportReport(Path(out), size, cost, straight, report)


def _export_encoder(
    checkpoint: str | Path, out: str | Path, *, size: tuple[int, int] | None, dynamic: bool, batch: int
) -> ExportReport:
    encoder, labels, provenance = load_encoder(checkpoint)
    config = encoder.config
    size = size or (config.image_height, config.image_width)
    if dynamic:
        raise LayoutRTError(
            f"{checkpoint} is an image encoder, which resizes pictures itself: its graph has one size; "
            "leave --size dynamic out and resize pictures to that of the generator"
        )
    example = {"image": torch.zeros((batch, *size, 3), dtype=torch.uint8)}
    model = _to_model(EncoderPipeline(encoder).eval(), example, ["mean", "log_variance"])
    onnx.checker.check_model(model)
    _describe(model, checkpoint, ENCODER, labels, config, provenance, size)
    save_model(model, out)
    return ExportReport(Path(out), size, graph_cost(model, size), None)


def _describe(
    model: onnx.ModelProto,
    checkpoint: str | Path,
    kind: str,
    labels: LabelSet,
    config: GeneratorConfig | SegmenterConfig | EncoderConfig,
    provenance: dict[str, Any],
    size: tuple[int, int],
) -> None:
    set_metadata(
        model,
        {
            "layoutrt.format": str(FORMAT),
            "layoutrt.version": __version__,
            "layoutrt.kind": kind,
            "layoutrt.label_set": labels.to_json(),
            "layoutrt.config": json.dumps(config.to_dict()),
            "layoutrt.provenance": json.dumps(provenance),
            "layoutrt.checkpoint_sha256": file_digest(checkpoint),
            "layoutrt.precision": "fp32",
            "layoutrt.size": f"{size[0]}x{size[1]}",
        },
    )


def _halves_report(halves: Halves, out: str | Path, size: tuple[int, int]) -> HalvesReport:
    return HalvesReport(
        render_path(out),
        graph_cost(halves.layout, size),
        graph_cost(halves.render, size),
        halves.cached_bytes,
    )


def _check_weights(checkpoint: str | Path, network: nn.Module) -> None:
    size = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    if size > MOST_BYTES:
        raise LayoutRTError(
            f"{checkpoint} holds {size / 1e9:.2f} GB of weights, and ONNX's checker and inliner take "
            f"{MOST_BYTES / 1e9:.2f} GB at most; train a narrower network (--width)"
        )


def _check_latent(
    checkpoint: str | Path, config: GeneratorConfig, size: tuple[int, int], dynamic: bool
) -> None:
    if config.fixed_size and (dynamic or size != (config.image_height, config.image_width)):
        raise LayoutRTError(
            f"{checkpoint} has a latent and makes one size only; export it with "
            f"--size {config.image_height}x{config.image_width}"
        )


def segmenter_model(
    segmenter: Segmenter, labels: LabelSet, *, size: tuple[int, int], dynamic: bool = False, batch: int = 1
) -> onnx.ModelProto:
    """The segmenter's pipeline as an ONNX model of standard operators; see `generator_model`."""
    example = {"frame": torch.zeros((batch, *size, 3), dtype=torch.uint8)}
    model = _to_model(SegmenterPipeline(segmenter, labels).eval(), example, ["labels"])
    if dynamic:
        _open_dims(model)
    onnx.checker.check_model(model)
    return model


def generator_model(
    generator: AnyGenerator, labels: LabelSet, *, size: tuple[int, int], dynamic: bool = False, batch: int = 1
) -> onnx.ModelProto:
    """The pipeline as an ONNX model that carries the bodies of its operators.

    Args:
        generator: generator in evaluation mode.
        labels: its label set.
        size: height and width.
        dynamic: leave batch, height and width open nevertheless.
        batch: images per run.
    """
    config = generator.config
    shape = (batch, *size)
    example: dict[str, Tensor] = {"labels": torch.zeros(shape, dtype=torch.uint8)}
    if config.instance_edges:
        example["instances"] = torch.zeros(shape, dtype=torch.int32)
    if config.latent:
        example["z"] = torch.zeros(batch, config.latent)
    model = _to_model(inference_pipeline(generator, labels).eval(), example, ["image"])
    if dynamic:
        _open_dims(model)
    p = config.predictor_kernel
    model.functions.extend([LAYOUT_CONV.body(3), PREDICTED_CONV.body(3, p)])
    (last,) = (node for node in model.graph.node if node.op_type == CONV_TO_IMAGE.name)
    model.functions.append(CONV_TO_IMAGE.body(with_y=len(last.input) == 4))
    if any(node.op_type == GATED_PREDICTED_CONV.name for node in model.graph.node):
        model.functions.append(GATED_PREDICTED_CONV.body())
    onnx.checker.check_model(model)
    return model


def straight_model(generator: AnyGenerator, size: tuple[int, int]) -> onnx.ModelProto:
    """The training network exported as it is: one-hot semantics in, float image out, standard operators."""
    config: GeneratorConfig = generator.config
    example = {"semantics": torch.zeros(1, config.semantic_channels, *size)}
    if config.latent:
        example["z"] = torch.zeros(1, config.latent)
    model = _to_model(generator.eval(), example, ["image"])
    p = config.predictor_kernel
    model.functions.extend(
        [
            SPATIALLY_VARYING_CONV.body(3, with_affine=False),
            PREDICTED_CONV.body(3, p, with_affine=False),
        ]
    )
    return onnx.inliner.inline_local_functions(model)


def set_metadata(model: onnx.ModelProto, values: dict[str, str]) -> None:
    """Write ``values`` into ``metadata_props``, and who made the file into its producer fields."""
    onnx.helper.set_model_props(model, values)
    model.producer_name, model.producer_version = "layoutrt", __version__


def _to_model(module: nn.Module, example: dict[str, Tensor], outputs: list[str]) -> onnx.ModelProto:
    require("onnxscript", extra="train", purpose="export")
    # The exporter warns of operators of packages that we do not use, and of its own internals.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            kwargs=example,
            dynamo=True,
            verbose=False,
            opset_version=BODY_OPSET,
            input_names=list(example),
            output_names=outputs,
            custom_translation_table=_translations(),
        )
    assert program is not None
    model = program.model_proto
    model.graph.name = "layoutrt"
    del model.metadata_props[:]
    for node in model.graph.node:
        # Stack traces of the machine that exported do not belong into a file that ships.
        del node.metadata_props[:]
    return model


def _translations() -> dict[Any, Callable[..., Any]]:
    """ONNX translations of our torch operators."""
    from onnxscript.values import Op, Opset

    domain = Opset(DOMAIN, VERSION)
    image = Op(domain, CONV_TO_IMAGE.name, CONV_TO_IMAGE.schema)
    layout = Op(domain, LAYOUT_CONV.name, LAYOUT_CONV.schema)
    gated = Op(domain, GATED_PREDICTED_CONV.name, GATED_PREDICTED_CONV.schema)
    predicted = Op(domain, PREDICTED_CONV.name, PREDICTED_CONV.schema)
    varying = Op(domain, SPATIALLY_VARYING_CONV.name, SPATIALLY_VARYING_CONV.schema)
    ops = torch.ops.layoutrt
    return {
        ops.conv_to_image.default: image,
        ops.layout_conv.default: lambda labels, table, bias, stride=1: layout(
            labels, table, bias, strides=[stride, stride]
        ),
        ops.gated_predicted_conv.default: lambda *arguments: gated(
            # The exporter leaves out an argument that has its default.
            *arguments[:12],
            alpha=arguments[12] if len(arguments) > 12 else ALPHA,
        ),
        ops.predicted_conv.default: lambda x, h, weight, bias, scale=None, shift=None: predicted(
            x, h, weight, bias, scale, shift
        ),
        ops.spatially_varying_conv.default: lambda x, w, scale=None, shift=None: (
            varying(x, w) if scale is None else varying(x, w, scale, shift)
        ),
    }


def _open_dims(model: onnx.ModelProto) -> None:
    """Open batch, height and width of a graph in which no node depends on them.

    The pipeline samples by steps, resizes by factors and splits channels, so its nodes hold no sizes; tracing
    it with symbolic sizes gives the same nodes and takes several times as long.
    """
    for value in (*model.graph.input, *model.graph.output):
        names = ("N",) if value.name == LATENT else ("N", "H", "W")
        for dim, name in zip(value.type.tensor_type.shape.dim, names, strict=False):
            dim.dim_param = name
    del model.graph.value_info[:]
