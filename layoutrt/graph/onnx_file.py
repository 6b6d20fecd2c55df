"""Reading and writing ONNX files, the weights of large ones apart."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_model, set_external_data

from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing

APART_FROM_BYTES = 128 << 20
"""Weights of this size and more go to a file of their own: runtimes map it into memory, where they would
parse and copy those of a single file."""
_SMALL_TENSOR_BYTES = 1024
_PAGE_BYTES = 4096


def weights_path(model: Path) -> Path:
    """The file that holds the weights of a large model: ``model.onnx.data`` beside ``model.onnx``."""
    return model.with_name(f"{model.name}.data")


def read_onnx(path: Path, *, weights: bool = False) -> onnx.ModelProto:
    """An ONNX file that is one.

    Args:
        path: of the file.
        weights: also read those that lie in a file of their own.

    Raises:
        LayoutRTError: it cannot be read, or is truncated or of another format.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError):
        model = onnx.ModelProto()
    except OSError as error:
        raise LayoutRTError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if not model.graph.node or not model.opset_import:
        raise LayoutRTError(f"{path} is truncated or not an ONNX model; copy or export it again")
    if weights:
        try:
            load_external_data_for_model(model, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError):
            raise LayoutRTError(
                f"the weights {weights_path(path)} of {path} are missing or truncated; copy both files again"
            ) from None
    return model


def save_model(model: onnx.ModelProto, path: str | Path, *, apart_from: int = APART_FROM_BYTES) -> None:
    """Write ``model`` to ``path``, and its weights to `weights_path` where they are large.

    Both files are complete before either gets its name. The weights leave ``model``, which then refers to
    their file.

    Args:
        model: with its weights in it.
        path: the ONNX file.
        apart_from: size of all weights, in bytes, from which they go to their own file.

    Raises:
        LayoutRTError: a file cannot be written.
    """
    path = Path(path)
    weights = weights_path(path)
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) < apart_from:
        with replacing(path) as temporary:
            onnx.save(model, temporary)
        # Of a larger model that had this name.
        weights.unlink(missing_ok=True)
        return
    with replacing(path) as temporary, replacing(weights) as temporary_weights:
        _write_weights(model, temporary_weights, weights.name)
        onnx.save(model, temporary)


def _write_weights(model: onnx.ModelProto, file: Path, location: str) -> None:
    """Move the larger weights from ``model`` to ``file``, which the model will find as ``location``."""
    with file.open("wb") as data:
        for tensor in model.graph.initializer:
            size = len(tensor.raw_data)
            if size < _SMALL_TENSOR_BYTES:
                continue
            # Only what starts at a page can be mapped by itself.
            data.write(bytes(-data.tell() % _PAGE_BYTES))
            set_external_data(tensor, location, offset=data.tell(), length=size)
            data.write(tensor.raw_data)
            tensor.ClearField("raw_data")
