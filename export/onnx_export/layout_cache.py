"""A generator with a latent as two graphs: what depends on the layout alone, and what depends on ``z``.

Kernels, gates and modulations are predicted from the layout; ``z`` only enters the features that they are
applied to (CC-FPSE, section 3). The layout half computes them all once, and the render half makes one image
of them after another: a small part of the arithmetic. The price is memory, because the predicted kernels have
to be stored: with gates and modulations 1.1 GB in float32 for the paper's COCO generator at 256x256.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper

from layoutrt.artifacts.model_info import LAYOUT_FILE, RENDER_FILE, RENDER_HALF
from layoutrt.errors import LayoutRTError
from layoutrt.operators import DOMAIN
from layoutrt.operators.gated_predicted_conv import ALPHA, GATED_PREDICTED_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.operators.spatially_varying_conv import SPATIALLY_VARYING_CONV

LATENT = "z"
"""The input that the render half keeps."""

SPLIT_ID = "layoutrt.split_id"
"""Metadata key of both halves: equal if they were made of the same graph."""


@dataclass(frozen=True)
class Halves:
    """The two graphs of one model. What the layout half puts out is what the render half takes besides z."""

    layout: onnx.ModelProto
    """``labels`` (and ``instances``) to every tensor that the render half needs."""
    render: onnx.ModelProto
    """``z`` and those tensors to ``image``."""

    @property
    def cached_bytes(self) -> int:
        """Memory that one layout's tensors take."""
        return sum(_bytes(value) for value in self.layout.graph.output)


def render_path(path: str | Path) -> Path:
    """Path of the render half of the model at ``path``: ``model.onnx`` -> ``model.render.onnx``."""
    path = Path(path)
    return path.with_name(f"{path.stem}.render{path.suffix}")


def require_latent(present: bool) -> None:
    """Refuse a model without latent.

    Raises:
        LayoutRTError: it has none.
    """
    if not present:
        raise LayoutRTError(
            "--cache-layout is for generators with a latent, and this model has none: "
            "all it computes depends on its input alone; leave --cache-layout out"
        )


def split_model(model: onnx.ModelProto, path: str | Path) -> Halves:
    """Split a generator's graph of fixed size, metadata included.

    A `GatedPredictedConv` is taken apart first. A `PredictedConv` of features that depend on ``z`` becomes a
    convolution in the layout half that stores the kernels, and a `SpatiallyVaryingConv` in the render half.
    Nodes that read no input at all, and weights, are given to each half that uses them.

    Args:
        model: model of `layoutrt.export.onnx_export.to_onnx.generator_model`, with its metadata.
        path: file that the layout half is going to be written to.

    Raises:
        LayoutRTError: the model has no latent.
    """
    require_latent(LATENT in {value.name for value in model.graph.input})
    types = {value.name: value for value in (*model.graph.value_info, *model.graph.output)}
    varying, fixed = _divide(model.graph, types)
    read_by_layout = _reached(fixed, {value.name for value in model.graph.input} - {LATENT})
    cached = [name for name in _inputs_of(varying) if name in read_by_layout]
    constants = [node for node in fixed if not read_by_layout.intersection(node.output)]

    tensors = [types[name] for name in cached]
    latent = [value for value in model.graph.input if value.name == LATENT]
    layout_inputs = [value for value in model.graph.input if value.name != LATENT]
    layout = _model(model, _needed(fixed, cached), layout_inputs, tensors)
    outputs = list(model.graph.output)
    render = _model(
        model, _needed([*constants, *varying], [v.name for v in outputs]), [*latent, *tensors], outputs
    )
    _link(model, layout, render, Path(path))
    return Halves(layout, render)


def _divide(
    graph: onnx.GraphProto, types: dict[str, onnx.ValueInfoProto]
) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """Nodes that depend on z and nodes that do not, in order; adds the stored kernels to ``types``."""
    varying: list[onnx.NodeProto] = []
    fixed: list[onnx.NodeProto] = []
    dependent = {LATENT}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in _unfused(graph, types):
        touched = dependent.intersection(node.input)
        if not touched:
            fixed.append(node)
            continue
        dependent.update(node.output)
        if node.domain == DOMAIN and node.op_type == PREDICTED_CONV.name and touched == {node.input[0]}:
            x, hidden, weight, bias, *affine = node.input
            (y,) = node.output
            kernels = f"{y}_kernels"
            channels, _, _, p = weights[weight].dims
            pads = [p // 2] * 4
            fixed.append(
                helper.make_node("Conv", [hidden, weight, bias], [kernels], f"{node.name}_predict", pads=pads)
            )
            tensor_type = types[y].type.tensor_type
            batch, _, height, width = (dim.dim_value for dim in tensor_type.shape.dim)
            types[kernels] = helper.make_tensor_value_info(
                kernels, tensor_type.elem_type, [batch, channels, height, width]
            )
            node = helper.make_node(
                SPATIALLY_VARYING_CONV.name, [x, kernels, *affine], [y], node.name, domain=DOMAIN
            )
        varying.append(node)
    return varying, fixed


def _unfused(graph: onnx.GraphProto, types: dict[str, onnx.ValueInfoProto]) -> list[onnx.NodeProto]:
    """The graph's nodes, every `GatedPredictedConv` as the nodes it stands for, whose gate can be kept.

    Adds the types of what lies between them to ``types``.
    """
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.domain != DOMAIN or node.op_type != GATED_PREDICTED_CONV.name:
            nodes.append(node)
            continue
        *predicted, mix, mix_bias, gate_h, gate_weight, gate_bias, residual = node.input
        (y,) = node.output
        names = {part: f"{y}_{part}" for part in ("d", "mixed", "logit", "gate", "product", "active")}
        steps = [
            (PREDICTED_CONV.name, predicted, "d"),
            ("Conv", [names["d"], mix, mix_bias], "mixed"),
            ("Conv", [gate_h, gate_weight, gate_bias], "logit"),
            ("Sigmoid", [names["logit"]], "gate"),
            ("Mul", [names["mixed"], names["gate"]], "product"),
        ]
        for operator, inputs, part in steps:
            domain = DOMAIN if operator == PREDICTED_CONV.name else ""
            nodes.append(
                helper.make_node(operator, inputs, [names[part]], f"{node.name}_{part}", domain=domain)
            )
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        alpha = attributes.get("alpha", ALPHA)
        nodes += [
            helper.make_node(
                "LeakyRelu", [names["product"]], [names["active"]], f"{node.name}_active", alpha=alpha
            ),
            helper.make_node("Add", [residual, names["active"]], [y], node.name),
        ]
        tensor_type = types[y].type.tensor_type
        batch, outputs, height, width = (dim.dim_value for dim in tensor_type.shape.dim)
        x = types[node.input[0]].type.tensor_type
        channels = x.shape.dim[1].dim_value
        for part, depth in (("d", channels), ("gate", outputs)):
            types[names[part]] = helper.make_tensor_value_info(
                names[part], tensor_type.elem_type, [batch, depth, height, width]
            )
    return nodes


def _inputs_of(nodes: Iterable[onnx.NodeProto]) -> list[str]:
    """Every name that the nodes read, once, in order."""
    return list(dict.fromkeys(name for node in nodes for name in node.input if name))


def _reached(nodes: Iterable[onnx.NodeProto], sources: set[str]) -> set[str]:
    """All that is computed from ``sources``."""
    reached = set(sources)
    for node in nodes:
        if reached.intersection(node.input):
            reached.update(node.output)
    return reached - sources


def _needed(nodes: list[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that ``outputs`` are computed by, in order."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _model(
    whole: onnx.ModelProto,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """A model of these nodes with the weights, types and operator bodies that they use."""
    used = set(_inputs_of(nodes))
    ends = {value.name for value in (*inputs, *outputs)}
    inner = used - ends
    graph = helper.make_graph(
        nodes,
        whole.graph.name,
        inputs,
        outputs,
        [tensor for tensor in whole.graph.initializer if tensor.name in used],
        value_info=[value for value in whole.graph.value_info if value.name in inner],
    )
    model = helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
    operators = {node.op_type for node in nodes if node.domain == DOMAIN}
    bodies = {function.name: function for function in whole.functions}
    if bodies:
        bodies.setdefault(SPATIALLY_VARYING_CONV.name, SPATIALLY_VARYING_CONV.body())
    model.functions.extend(body for name, body in bodies.items() if name in operators)
    model.producer_name, model.producer_version = whole.producer_name, whole.producer_version
    return model


def _link(whole: onnx.ModelProto, layout: onnx.ModelProto, render: onnx.ModelProto, path: Path) -> None:
    """Write the metadata that finds the other half and refuses a wrong one."""
    properties = {entry.key: entry.value for entry in whole.metadata_props}
    digest = hashlib.sha256(repr(sorted(properties.items())).encode())
    for part in (layout, render):
        for entry in (*part.graph.node, *part.graph.input, *part.graph.output):
            digest.update(entry.SerializeToString(deterministic=True))
    properties[SPLIT_ID] = digest.hexdigest()
    helper.set_model_props(layout, properties | {RENDER_FILE: render_path(path).name})
    helper.set_model_props(render, properties | {"layoutrt.kind": RENDER_HALF, LAYOUT_FILE: path.name})


def _bytes(value: onnx.ValueInfoProto) -> int:
    tensor = value.type.tensor_type
    size = helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
    return size * math.prod(dim.dim_value for dim in tensor.shape.dim)
