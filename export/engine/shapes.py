"""The shapes that an engine is built for: one optimization profile over all open dimensions of its graph."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from layoutrt.artifacts.engine_manifest import EngineInput
from layoutrt.artifacts.model_info import ModelInfo, Size
from layoutrt.errors import LayoutRTError

_LAYOUT_RANK = 3
"""Inputs with at least this many dimensions are [N,H,W,…]; in others only the batch is open."""


@dataclass(frozen=True)
class ProfileRequest:
    """Shapes that the user asked for.

    Attributes:
        min_size, opt_size, max_size: (height, width); None for the default.
        max_batch: largest batch, from 1 up.
    """

    min_size: Size | None = None
    opt_size: Size | None = None
    max_size: Size | None = None
    max_batch: int = 1


def engine_inputs(info: ModelInfo, model: onnx.ModelProto, request: ProfileRequest) -> list[EngineInput]:
    """Every input with its smallest, most frequent and largest shape.

    By default an open size is the one that the network was trained at, the other two are as the one that is
    given, and the batch is 1.

    Args:
        info: description of the model.
        model: its graph, of ``layoutrt calibrate``.
        request: sizes and batch.

    Raises:
        LayoutRTError: sizes are given for a model of fixed size; or they are not in order, or not multiples
            of the network's step.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    values = [value for value in model.graph.input if value.name not in constants]
    sizes, batches = _sizes(info, request), _batches(info, request.max_batch)
    return [_input(value, sizes, batches) for value in values]


def _input(value: onnx.ValueInfoProto, sizes: list[Size], batches: list[int]) -> EngineInput:
    tensor = value.type.tensor_type
    dims = [dim.dim_value for dim in tensor.shape.dim]
    shapes = []
    for size, batch in zip(sizes, batches, strict=True):
        shape = list(dims)
        wanted = [batch, *(size if len(dims) >= _LAYOUT_RANK else ())]
        for place, number in enumerate(wanted):
            shape[place] = dims[place] or number
        shapes.append(shape)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    return EngineInput(value.name, str(dtype), *shapes)


def _sizes(info: ModelInfo, request: ProfileRequest) -> list[Size]:
    path, fixed, step = info.path, info.size, info.size_multiple
    given = {"--min": request.min_size, "--opt": request.opt_size, "--max": request.max_size}
    if fixed:
        for option, size in given.items():
            if size and tuple(size) != fixed:
                raise LayoutRTError(
                    f"{path} is made for {fixed[0]}x{fixed[1]} and cannot be built for {option} "
                    f"{size[0]}x{size[1]}; leave the sizes out, or export it with --size dynamic"
                )
        return [fixed] * 3
    best = request.opt_size or request.max_size or request.min_size or info.trained_size
    sizes = [tuple(request.min_size or best), tuple(best), tuple(request.max_size or best)]
    if request.opt_size is None and request.min_size and request.max_size:
        # Between two sizes the larger one costs more, so it is the one to be fast at.
        sizes[1] = tuple(request.max_size)
    for option, (height, width) in zip(given, sizes, strict=True):
        if height % step or width % step:
            raise LayoutRTError(
                f"{option} {height}x{width} does not fit {path}; give heights and widths that are multiples "
                f"of {step}"
            )
    if not all(low <= best <= high for low, best, high in zip(*sizes, strict=True)):
        low, middle, high = (f"{height}x{width}" for height, width in sizes)
        raise LayoutRTError(
            f"the sizes --min {low}, --opt {middle} and --max {high} are in no order; give heights and "
            "widths that do not fall from --min to --opt to --max"
        )
    return [(height, width) for height, width in sizes]


def _batches(info: ModelInfo, largest: int) -> list[int]:
    own = info.batch
    if largest < 1:
        raise LayoutRTError(f"--max-batch must be at least 1, got {largest}")
    if own and largest not in (1, own):
        raise LayoutRTError(
            f"{info.path} is made for a batch of {own} and cannot be built for --max-batch {largest}; "
            "leave it out, or export the model with --size dynamic"
        )
    return [own] * 3 if own else [1, 1, largest]
