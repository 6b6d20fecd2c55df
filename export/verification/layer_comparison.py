"""Comparison of two graphs layer by layer: where the same tensors of both part.

A tensor is known by its name. A model with 8-bit convolutions has ``NAME_dequantized`` in the place of
``NAME`` (`layoutrt.calib.ort.quantizer`), which is what the layers after it read. It may scale
channels by positive factors, so each channel is compared after the gain that fits best (least squares, not
negative); an error that is such a gain shows at the first layer that mixes channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from layoutrt.errors import LayoutRTError
from layoutrt.files import temporary_folder
from layoutrt.graph.onnx_file import save_model
from layoutrt.runtime.session import Session

BELOW_DB = 20.0
"""The first layer under this signal-to-noise ratio is named."""
CAP_DB = 120.0
"""Ratios end here, which is about what float32 resolves."""
DROP_DB = 1.0
"""The largest drop is named from here on."""
STEP_CAP_DB = 60.0
"""Drops count from here at most: what is above it looks the same at the output."""
GROUP_BYTES = 256 << 20
"""So much of both models' tensors is fetched at a time."""
_RULED_OUT = 1e20
"""Channels with such values stand for classes that are never predicted, and would hide all others."""
_DEQUANTIZED, _UNQUANTIZED = "_dequantized", "_float"


@dataclass(frozen=True)
class Layer:
    """One tensor of both graphs."""

    tensor: str
    node: str
    operator: str
    shape: tuple[int, ...]
    """Shape of the reference's tensor, [N,C,H,W]."""
    sqnr_db: float
    """Signal-to-quantization-noise ratio, ``10 log10(Σ a² / Σ (a - g b)²)`` with the best gain g of each
    channel; 0 to `CAP_DB`."""
    drop_db: float
    """Loss against the worst tensor it was made of, both at most `STEP_CAP_DB`."""


@dataclass(frozen=True)
class LayerComparison:
    """All tensors that both graphs have, in the order of the reference's nodes."""

    frames: int
    layers: tuple[Layer, ...]
    unmatched: int
    """Tensors of the reference that the candidate does not have."""

    @property
    def first_below(self) -> Layer | None:
        """The first layer whose ratio is under `BELOW_DB`."""
        return next((layer for layer in self.layers if layer.sqnr_db < BELOW_DB), None)

    @property
    def largest_drop(self) -> Layer | None:
        """The layer that loses most against what it was made of; None where none loses
        `DROP_DB`."""
        worst = max(self.layers, key=lambda layer: layer.drop_db)
        return worst if worst.drop_db >= DROP_DB else None

    def worst(self, count: int) -> list[Layer]:
        """The layers of the lowest ratios, lowest first."""
        return sorted(self.layers, key=lambda layer: layer.sqnr_db)[:count]


def compare_layers(
    reference: onnx.ModelProto,
    candidate: onnx.ModelProto,
    inputs: Sequence[dict[str, NDArray]],
    *,
    threads: int | None = None,
) -> LayerComparison:
    """Run both graphs and compare every float tensor ``[N, C, H, W]`` that both have.

    Args:
        reference: with its weights; they leave it for a temporary file.
        candidate: as the reference.
        inputs: arguments of `Session.run`, a few.
        threads: of one run; None for one per processor.

    Raises:
        LayoutRTError: the graphs have no tensor in common.
    """
    with temporary_folder() as folder:
        a, b = (
            _Graph(model, Path(folder, name), threads)
            for name, model in (("reference", reference), ("candidate", candidate))
        )
        shapes = a.shapes(inputs[0])
        others = b.shapes(inputs[0])
        common = {name: shape for name, shape in shapes.items() if others.get(name) == shape}
        if not common:
            raise LayoutRTError(
                "the two graphs have no tensor of one name and shape, so --layers cannot compare them; "
                "give two files that were made from one export"
            )
        sums = {name: _Sums(shape[1]) for name, shape in common.items()}
        for group in _groups(common):
            for found, other in zip(a.tensors(group, inputs), b.tensors(group, inputs), strict=True):
                for name in group:
                    sums[name].add(found[name], other[name])
        return LayerComparison(len(inputs), a.layers(common, sums), len(shapes) - len(common))


class _Sums:
    """Sums of squares and products of each channel of two tensors, over all frames."""

    def __init__(self, channels: int) -> None:
        self._aa, self._ab, self._bb = np.zeros((3, channels))

    def add(self, a: NDArray, b: NDArray) -> None:
        rows, others = (
            np.moveaxis(tensor, 1, 0).reshape(tensor.shape[1], -1).astype(np.float64) for tensor in (a, b)
        )
        # Half precision may overflow to what has no difference from anything.
        with np.errstate(invalid="ignore", over="ignore"):
            self._aa += np.einsum("ci,ci->c", rows, rows)
            self._ab += np.einsum("ci,ci->c", rows, others)
            self._bb += np.einsum("ci,ci->c", others, others)

    @property
    def sqnr_db(self) -> float:
        counted = np.isfinite(self._aa) & (self._aa < _RULED_OUT**2)
        aa, ab, bb = self._aa[counted], self._ab[counted], self._bb[counted]
        usable = np.isfinite(bb) & np.isfinite(ab) & (bb > 0) & (ab > 0)
        # |a - g b|² at its least, for g = ab / bb: all of a is error where b has nothing of it.
        error = np.where(
            usable, aa - np.square(ab, where=usable, out=np.zeros_like(ab)) / np.where(usable, bb, 1), aa
        )
        # A channel that should be empty has no gain that explains what is in it.
        error = np.where((aa == 0) & np.isfinite(bb), bb, error)
        noise, signal = float(error.clip(0).sum()), float(aa.sum())
        if noise <= signal * 10 ** (-CAP_DB / 10):
            return CAP_DB
        return 10 * math.log10(signal / noise) if signal > noise else 0.0


class _Graph:
    """One of the models, whose tensors can be fetched."""

    def __init__(self, model: onnx.ModelProto, folder: Path, threads: int | None) -> None:
        self._folder, self._threads = folder, threads
        # Written once; the graphs that fetch tensors refer to it.
        save_model(model, folder / "model.onnx", apart_from=0)
        self._model = model
        self._names = _named_tensors(model)
        with self._session(list(self._names.values())) as session:
            floats = {info.name for info in session.outputs if info.dtype in (np.float32, np.float16)}
        self._names = {name: actual for name, actual in self._names.items() if actual in floats}

    def shapes(self, arguments: dict[str, NDArray]) -> dict[str, tuple[int, ...]]:
        """Shapes ``[N, C, H, W]`` of the float tensors that have four dimensions."""
        nodes = [
            helper.make_node("Shape", [actual], [f"{actual}_shape_of"]) for actual in self._names.values()
        ]
        with self._session([node.output[0] for node in nodes], nodes) as session:
            found = session.run(**arguments)
        shapes = {name: tuple(found[f"{actual}_shape_of"].tolist()) for name, actual in self._names.items()}
        return {name: shape for name, shape in shapes.items() if len(shape) == 4}

    def tensors(
        self, names: Sequence[str], inputs: Sequence[dict[str, NDArray]]
    ) -> Iterator[dict[str, NDArray]]:
        """The named tensors for one input after another."""
        with self._session([self._names[name] for name in names]) as session:
            for arguments in inputs:
                found = session.run(**arguments)
                yield {name: found[self._names[name]] for name in names}

    def layers(self, shapes: dict[str, tuple[int, ...]], sums: dict[str, _Sums]) -> tuple[Layer, ...]:
        """Results of the tensors of ``shapes``, in the order of the nodes."""
        producers: dict[str, onnx.NodeProto] = {}
        for node in self._model.graph.node:
            producers |= dict.fromkeys(node.output, node)
        places = {node.output[0]: place for place, node in enumerate(self._model.graph.node)}
        ratios = {name: sums[name].sqnr_db for name in shapes}
        compared = {self._names[name]: name for name in shapes} | {name: name for name in shapes}
        sources: dict[str, frozenset[str]] = {}

        def made_of(tensor: str) -> frozenset[str]:
            """The compared tensors that are nearest before a tensor, or itself."""
            if tensor in compared:
                return frozenset([compared[tensor]])
            if tensor not in sources:
                node = producers.get(tensor)
                sources[tensor] = (
                    frozenset().union(*(made_of(name) for name in node.input)) if node else frozenset()
                )
            return sources[tensor]

        layers = []
        for name, shape in shapes.items():
            # In a quantized model the node's own output is the one before its levels.
            own = (name, f"{name}{_UNQUANTIZED}", f"{name}{_DEQUANTIZED}")
            node = next(producers[tensor] for tensor in own if tensor in producers)
            before = [ratios[source] for tensor in node.input for source in made_of(tensor)]
            drop = min([STEP_CAP_DB, *before]) - min(STEP_CAP_DB, ratios[name])
            layer = Layer(name, node.name, node.op_type, shape, ratios[name], max(0.0, drop))
            layers.append((places[node.output[0]], layer))
        return tuple(layer for _, layer in sorted(layers, key=lambda entry: entry[0]))

    def _session(self, outputs: Sequence[str], nodes: Sequence[onnx.NodeProto] = ()) -> Session:
        probe = onnx.ModelProto()
        probe.CopyFrom(self._model)
        probe.graph.node.extend(nodes)
        given = {value.name for value in probe.graph.output}
        # Without types: the runtime infers them.
        probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs if name not in given)
        path = self._folder / "probe.onnx"
        onnx.save(probe, path)
        return Session(path, threads=self._threads)


def _named_tensors(model: onnx.ModelProto) -> dict[str, str]:
    """Tensors that the nodes compute from the inputs, by the name that both kinds of models have for them."""
    constants = {tensor.name for tensor in model.graph.initializer} | {""}
    computed: list[str] = []
    for node in model.graph.node:
        if all(name in constants for name in node.input):
            constants.update(node.output)
        else:
            computed += [name for name in node.output if name]
    dequantized = {name for name in computed if name.endswith(_DEQUANTIZED)}
    names = {name: name for name in computed if name not in dequantized}
    for name in dequantized:
        base = name.removesuffix(_DEQUANTIZED)
        names[base] = name
        # It has no counterpart, and fetching it would take an 8-bit convolution apart.
        names.pop(f"{base}{_UNQUANTIZED}", None)
    return names


def _groups(shapes: dict[str, tuple[int, ...]]) -> Iterator[list[str]]:
    """Names of tensors that are fetched at a time, from both models, as float32."""
    group: list[str] = []
    total = 0
    for name, shape in shapes.items():
        size = 2 * 4 * math.prod(shape)
        if group and total + size > GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append(name)
        total += size
    if group:
        yield group
