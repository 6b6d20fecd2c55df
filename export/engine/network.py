"""An ONNX file as TensorRT's network, and what its parser says against it in words that help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layoutrt.errors import LayoutRTError
from layoutrt.operators import plugin_names
from layoutrt.runtime.backends.trt.log import created

_TOLD = 5
"""Errors that are told in full."""


def parse(trt: Any, builder: Any, log: Any, path: Path) -> tuple[Any, Any]:
    """Read a model into a new strongly typed network: types are those of the graph.

    Args:
        trt: the module ``tensorrt``.
        builder: ``tensorrt.Builder``.
        log: log that `message_log` returned.
        path: path of the ONNX file; weights beside it are found.

    Returns:
        ``tensorrt.INetworkDefinition``, and ``tensorrt.OnnxParser``, which must live as long as it.

    Raises:
        LayoutRTError: TensorRT does not take the file; each node that it refuses is named.
    """
    # Bit 1 in TensorRT 10; bit 0 in 11, where every network is strongly typed.
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    if network is None:
        raise LayoutRTError(
            f"TensorRT {trt.__version__} makes no network: {log.reason()}; see layoutrt doctor"
        )
    parser = created(log, trt.OnnxParser, network)
    if not parser.parse_from_file(str(path)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        raise LayoutRTError(f"TensorRT {trt.__version__} cannot read {path}: {_translated(trt, errors, log)}")
    return network, parser


def _translated(trt: Any, errors: list[Any], log: Any) -> str:
    if not errors:
        return f"{log.reason()}; calibrate the model again"
    told = "; ".join(_sentence(trt, error, log) for error in errors[:_TOLD])
    more = f"; and {len(errors) - _TOLD} more" if len(errors) > _TOLD else ""
    # A plugin's own sentence ends with its remedy.
    remedy = "" if _of_plugin(errors[0], log) else f"; {_remedy(trt, errors[0])}"
    return f"{told}{more}{remedy}"


def _of_plugin(error: Any, log: Any) -> str | None:
    """Message of our plugin for a node that it refused; TensorRT's parser only reports that it failed."""
    start = f"{error.node_operator()} '{error.node_name()}'"
    return next((said for said in log.of_plugins() if said.startswith(start)), None)


def _sentence(trt: Any, error: Any, log: Any) -> str:
    if said := _of_plugin(error, log):
        return said
    name, operator = error.node_name(), error.node_operator()
    description = " ".join(error.desc().split()).rstrip(".") or _name(trt, error.code())
    return f"node {name or error.node()} ({operator}): {description}" if operator else description


def _name(trt: Any, code: Any) -> str:
    # An error code's own ``name`` is a method in TensorRT 10.3.
    return next(name for name, member in trt.ErrorCode.__members__.items() if member == code)


def _remedy(trt: Any, error: Any) -> str:
    code, operator = error.code(), error.node_operator()
    if operator in plugin_names():
        return "its plugin is the operator library's: reinstall layoutrt with this TensorRT's headers at hand"
    if code == trt.ErrorCode.MEM_ALLOC_FAILED:
        return "memory ran out: close other programs"
    if code == trt.ErrorCode.MODEL_DESERIALIZE_FAILED:
        return "the file is damaged: copy or calibrate it again"
    if _name(trt, code).startswith("UNSUPPORTED"):
        return (
            f"this TensorRT has no such {operator or 'operator'}: install a newer one, or calibrate the "
            "model again with this version of layoutrt"
        )
    return "calibrate the float model again with this version of layoutrt"
