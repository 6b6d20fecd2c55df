"""Each native operator beside the standard operators it replaces, in the same ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.candidates import compare
from benchmarks.rows import Row, less_is_better, more_is_better
from layoutrt.operators import BODY_OPSET, DOMAIN, VERSION

OURS, THEIRS = "ours", "theirs"


@dataclass(frozen=True)
class Pair:
    """One comparison: both sides compute the same numbers."""

    name: str
    target: str
    specs: Mapping[str, Mapping[str, Any]]
    """Specifications of `OURS` and `THEIRS` for `benchmarks.worker`."""


def operator_rows(folder: Path, rounds: int, threads: int = 2, side: int = 256) -> Iterator[Row]:
    """Times and peak memory on images of ``side`` x ``side``.

    `PredictedConv` meets `Conv` and then `SpatiallyVaryingConv`; `LayoutConv` meets `OneHot` and then `Conv`;
    `SpatiallyVaryingConv` meets a program that only reads memory.

    Args:
        folder: folder to write the models to.
        rounds: runs of each side.
        threads: number of threads of each side.
        side: height and width of the images, in pixels.
    """
    for pair in operator_pairs(folder, side):
        costs = compare(pair.specs, threads, rounds)
        ours, theirs = costs[OURS], costs[THEIRS]
        yield less_is_better(pair.name, ours.ms, theirs.ms, "ms", pair.target)
        if pair.name.startswith("PredictedConv"):
            yield less_is_better(f"{pair.name}: peak memory", ours.peak_mb, theirs.peak_mb, "MB")
    yield _bandwidth_row(folder, rounds, threads, side)


def operator_pairs(folder: Path, side: int) -> list[Pair]:
    """The comparisons of an operator with what it replaces, their models written to ``folder``."""
    random = np.random.default_rng(0)
    channels = ((32, 32), (64, 64), (128, 64))
    pairs = [_predicted(folder, random, j, c, p, side) for p in (1, 3) for j, c in channels]
    return [*pairs, *(_layout(folder, random, labels, side) for labels in (12, 184))]


def _bandwidth_row(folder: Path, rounds: int, threads: int, side: int) -> Row:
    """`SpatiallyVaryingConv` reads 10 planes and writes 1 for each of its channels, and does little else."""
    random = np.random.default_rng(0)
    channels = 64
    inputs = {
        "x": _floats(random, 1, channels, side, side),
        "w": _floats(random, 1, channels * 9, side, side),
    }
    node = helper.make_node("SpatiallyVaryingConv", ["x", "w"], ["y"], domain=DOMAIN)
    size = 11 * inputs["x"].nbytes
    specs = {OURS: _spec(folder, "varying", [node], inputs, {}), THEIRS: {"kind": "read", "bytes": size}}
    costs = compare(specs, threads, rounds)
    ours, theirs = (size / costs[name].ms / 1e6 for name in (OURS, THEIRS))
    name = "SpatiallyVaryingConv C=64 / reading as many bytes"
    return more_is_better(name, ours, theirs, "GB/s", "ratio >= 0.75")


def _predicted(folder: Path, random: np.random.Generator, j: int, c: int, p: int, side: int) -> Pair:
    inputs = {"x": _floats(random, 1, c, side, side), "h": _floats(random, 1, j, side, side)}
    weights = {"weight": _floats(random, c * 9, j, p, p), "bias": _floats(random, c * 9)}
    ours = [helper.make_node("PredictedConv", ["x", "h", "weight", "bias"], ["y"], domain=DOMAIN)]
    theirs = [
        helper.make_node("Conv", ["h", "weight", "bias"], ["w"], pads=[p // 2] * 4),
        helper.make_node("SpatiallyVaryingConv", ["x", "w"], ["y"], domain=DOMAIN),
    ]
    name = f"PredictedConv J={j} C={c} p={p} / Conv + SpatiallyVaryingConv"
    target = "ratio >= 1.8" if p == 1 else "ratio > 1"
    return _pair(folder, name, target, ours, theirs, inputs, weights)


def _layout(folder: Path, random: np.random.Generator, labels: int, side: int) -> Pair:
    # Patches, as label maps have them; noise would be a layout that nobody draws.
    patches = random.integers(0, labels, (1, side // 16, side // 16)).astype(np.uint8)
    inputs = {"labels": np.kron(patches, np.ones((1, 16, 16), np.uint8))}
    channels = 64
    table = _floats(random, labels, 9, channels)
    weights: dict[str, NDArray] = {
        "table": table,
        "bias": _floats(random, channels),
        "weight": np.ascontiguousarray(table.transpose(2, 0, 1)).reshape(channels, labels, 3, 3),
        "depth": np.array(labels, np.int64),
        "off_on": np.array([0, 1], np.float32),
    }
    ours = [helper.make_node("LayoutConv", ["labels", "table", "bias"], ["y"], domain=DOMAIN, strides=[1, 1])]
    theirs = [
        helper.make_node("Cast", ["labels"], ["index"], to=TensorProto.INT64),
        helper.make_node("OneHot", ["index", "depth", "off_on"], ["one_hot"], axis=1),
        helper.make_node("Conv", ["one_hot", "weight", "bias"], ["y"], pads=[1] * 4),
    ]
    name = f"LayoutConv L={labels} C=64 / OneHot + Conv"
    return _pair(folder, name, "ratio >= 20" if labels == 184 else "", ours, theirs, inputs, weights)


def _pair(
    folder: Path,
    name: str,
    target: str,
    ours: list[onnx.NodeProto],
    theirs: list[onnx.NodeProto],
    inputs: dict[str, NDArray],
    weights: dict[str, NDArray],
) -> Pair:
    stem = name.split(" /")[0].replace(" ", "_")
    sides = ((OURS, ours), (THEIRS, theirs))
    specs = {side: _spec(folder, f"{stem}_{side}", nodes, inputs, weights) for side, nodes in sides}
    return Pair(name, target, specs)


def _spec(
    folder: Path,
    stem: str,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, NDArray],
    weights: dict[str, NDArray],
) -> dict[str, Any]:
    """A worker's work: the nodes as a model, and its inputs, both written to ``folder``."""
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "operators",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in inputs.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "C", "H", "W"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items() if name in used],
    )
    opsets = [helper.make_opsetid("", BODY_OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    model = folder / f"{stem}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), model)
    arguments = folder / f"{stem}.npz"
    np.savez(arguments, **inputs)  # type: ignore[arg-type]
    return {"kind": "onnxruntime", "model": str(model), "inputs": str(arguments), "operators": True}


def _floats(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return random.standard_normal(shape, np.float32)
