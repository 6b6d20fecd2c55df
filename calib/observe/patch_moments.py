"""Second moments of what a model's convolutions read, measured on representative inputs.

Each output of a convolution is the dot product of a row of weights with a patch of its input, so the mean of
``patch patchᵀ`` says how much a change of the weights changes the outputs. Patches are gathered at a few
positions inside the graph: whole activations never leave the runtime.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from layoutrt.calib.observe.intermediate_outputs import intermediate_session, last_first
from layoutrt.calib.observe.ranges import NO_INPUTS, not_finite
from layoutrt.errors import LayoutRTError

POSITIONS = 512
"""Positions that are looked at in each layer, the same on every input."""
LARGEST_BLOCK = 1152
"""Values of a patch whose moments are measured together: 128 channels of a 3x3 convolution. Their number
grows with the square, so wider layers are cut into blocks of channels."""


@dataclass(frozen=True)
class _Patches:
    """Positions at which one convolution reads."""

    node: onnx.NodeProto
    kernel: tuple[int, int]
    channels_in_block: int

    def positions(self, height: int, width: int) -> NDArray[np.int64]:
        """Indices into the padded plane, ``[positions * kernel height * kernel width]``."""
        (kh, kw), (sh, sw) = self.kernel, _attribute(self.node, "strides", (1, 1))
        top, left, bottom, right = _attribute(self.node, "pads", (0, 0, 0, 0))
        rows = (height + top + bottom - kh) // sh + 1
        columns = (width + left + right - kw) // sw + 1
        chosen = np.random.default_rng(0).integers(0, rows * columns, POSITIONS)
        y = (chosen // columns * sh)[:, None, None] + np.arange(kh)[:, None]
        x = (chosen % columns * sw)[:, None, None] + np.arange(kw)
        return (y * (width + left + right) + x).ravel()


def collect_patch_moments(
    model: onnx.ModelProto, inputs: Iterable[dict[str, NDArray]], *, threads: int | None = None
) -> dict[str, list[NDArray[np.float32]]]:
    """Run the model on every input and average the outer products of patches.

    Args:
        model: with its weights in it; not changed.
        inputs: arguments of `Session.run`, one after another, of one size and batch 1.
        threads: number of threads of one run; None for one per processor.

    Returns:
        For the name of every convolution with constant weights, without groups and dilation, float32
        ``[K, K]`` of each block of K values in the order of a row of the weights.

    Raises:
        LayoutRTError: there are no inputs, or one does not fit the model, or a tensor is not finite.
    """
    layers = list(_layers(model))
    if not layers:
        return {}
    sums: dict[str, list[NDArray[np.float64]]] = {}
    count = 0
    arguments = iter(inputs)
    first = next(arguments, None)
    if first is None:
        raise LayoutRTError(NO_INPUTS)
    sizes = _sizes(model, layers, first, threads)
    nodes, constants, outputs = _gathering(layers, sizes)
    with intermediate_session(model, nodes, outputs, constants, threads=threads) as session:
        for one in _chain(first, arguments):
            measured = session.run(**one)
            count += POSITIONS
            for layer in layers:
                patches = measured[f"{layer.node.name}_patches"]
                if not np.isfinite(patches).all():
                    raise LayoutRTError(not_finite(layer.node.input[0]))
                blocks = [_outer(block) for block in _blocks(patches, layer)]
                before = sums.get(layer.node.name)
                sums[layer.node.name] = (
                    blocks if before is None else [a + b for a, b in zip(before, blocks, strict=True)]
                )
    return {name: [(block / count).astype(np.float32) for block in blocks] for name, blocks in sums.items()}


def _layers(model: onnx.ModelProto) -> Iterator[_Patches]:
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in weights:
            continue
        plain = _attribute(node, "group", (1,)) == (1,) and set(_attribute(node, "dilations", (1,))) == {1}
        automatic = next((a.s for a in node.attribute if a.name == "auto_pad"), b"NOTSET")
        dims = weights[node.input[1]].dims
        if plain and automatic == b"NOTSET" and len(dims) == 4:
            kernel = (dims[2], dims[3])
            yield _Patches(node, kernel, max(1, LARGEST_BLOCK // (kernel[0] * kernel[1])))


def _attribute(node: onnx.NodeProto, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    for attribute in node.attribute:
        if attribute.name == name:
            return tuple(attribute.ints) or (attribute.i,)
    return default


def _sizes(
    model: onnx.ModelProto, layers: list[_Patches], first: dict[str, NDArray], threads: int | None
) -> dict[str, tuple[int, int]]:
    """Heights and widths of what the layers read, by the tensor's name."""
    names = last_first(list(dict.fromkeys(layer.node.input[0] for layer in layers)))
    nodes = [helper.make_node("Shape", [name], [f"{name}_shape"]) for name in names]
    outputs = [helper.make_tensor_value_info(f"{name}_shape", TensorProto.INT64, [4]) for name in names]
    with intermediate_session(model, nodes, outputs, threads=threads) as session:
        shapes = session.run(**first)
    return {name: (int(shapes[f"{name}_shape"][2]), int(shapes[f"{name}_shape"][3])) for name in names}


def _gathering(
    layers: list[_Patches], sizes: dict[str, tuple[int, int]]
) -> tuple[list[onnx.NodeProto], list[TensorProto], list[onnx.ValueInfoProto]]:
    """Nodes that make ``NAME_patches`` float32 [C, positions * kernel] of every layer."""
    nodes: list[onnx.NodeProto] = []
    constants = [numpy_helper.from_array(np.array([0, -1], np.int64), "patches_plane")]
    outputs = []
    for layer in reversed(layers):
        name, (height, width) = layer.node.name, sizes[layer.node.input[0]]
        top, left, bottom, right = _attribute(layer.node, "pads", (0, 0, 0, 0))
        pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        constants += [
            numpy_helper.from_array(pads, f"{name}_patch_pads"),
            numpy_helper.from_array(layer.positions(height, width), f"{name}_patch_positions"),
            numpy_helper.from_array(np.array([0], np.int64), f"{name}_patch_image"),
        ]
        nodes += [
            helper.make_node("Pad", [layer.node.input[0], f"{name}_patch_pads"], [f"{name}_padded"]),
            helper.make_node("Squeeze", [f"{name}_padded", f"{name}_patch_image"], [f"{name}_image"]),
            helper.make_node("Reshape", [f"{name}_image", "patches_plane"], [f"{name}_plane"]),
            helper.make_node(
                "Gather", [f"{name}_plane", f"{name}_patch_positions"], [f"{name}_patches"], axis=1
            ),
        ]
        outputs.append(helper.make_tensor_value_info(f"{name}_patches", TensorProto.FLOAT, [None, None]))
    return nodes, constants, outputs


def _blocks(patches: NDArray[np.float32], layer: _Patches) -> Iterator[NDArray[np.float32]]:
    """``[K, positions]`` of each block of channels."""
    kernel = layer.kernel[0] * layer.kernel[1]
    for start in range(0, len(patches), layer.channels_in_block):
        block = patches[start : start + layer.channels_in_block]
        yield block.reshape(len(block), -1, kernel).transpose(0, 2, 1).reshape(len(block) * kernel, -1)


def _outer(block: NDArray[np.float32]) -> NDArray[np.float64]:
    return (block @ block.T).astype(np.float64)


def _chain(first: dict[str, NDArray], others: Iterable[dict[str, NDArray]]) -> Iterator[dict[str, NDArray]]:
    yield first
    yield from others
