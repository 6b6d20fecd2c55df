"""What an artifact of layoutrt is, without running it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from layoutrt.artifacts.engine_manifest import is_engine, manifest_path, read_manifest
from layoutrt.artifacts.safetensors_header import read_safetensors_header
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, label_set
from layoutrt.models import resolve_model, shipped_models

FORMAT = 1
"""The newest metadata format this version reads (metadata key ``layoutrt.format``)."""

TRAINING_STATE = "training.safetensors"
"""The file that makes a folder a training run."""

Description = dict[str, Any]
"""Plain values, for JSON; dictionaries inside are shown as sections."""


def describe(name_or_path: str | Path) -> Description:
    """Describe an ONNX model, an engine, a checkpoint, a label set or a run folder; "what" says which it is.

    Args:
        name_or_path: the file or folder, or the name of a shipped model.

    Raises:
        LayoutRTError: the file does not exist, is damaged, made by a newer version, or not ours.
    """
    path = Path(name_or_path)
    if str(name_or_path) in shipped_models():
        return _onnx(resolve_model(name_or_path))
    if path.is_dir():
        return _run(path)
    if not path.is_file():
        names = ", ".join(shipped_models()) or "none installed"
        raise LayoutRTError(
            f"the file or folder {path} does not exist; give an ONNX model, an engine, a checkpoint, "
            f"a label set (.toml) or a run folder, or the name of a shipped model ({names})"
        )
    if path.suffix == ".toml":
        return {"what": "label set", "file": str(path)} | _label_set(label_set(path))
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if path.suffix == ".onnx":
        return _onnx(path)
    if is_engine(path):
        return _engine(path)
    raise LayoutRTError(
        f"{path} is nothing that layoutrt makes; give an .onnx, .engine, .safetensors or .toml file, or a "
        "run folder"
    )


def as_table(description: Description) -> Table:
    """The description as a table of two columns."""
    table = Table(show_header=False, box=box.SIMPLE, title=description["file"], title_justify="left")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in description.items():
        if key == "file":
            continue
        if isinstance(value, dict):
            value = "\n".join(f"{name}: {_text(part)}" for name, part in value.items()) or "none"
        # As plain text: brackets would be taken for markup.
        table.add_row(key.replace("_", " "), Text(_text(value)))
    return table


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(part) for part in value) or "none"
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value)


def _onnx(path: Path) -> Description:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError):
        model = onnx.ModelProto()
    if not model.graph.node or not model.opset_import:
        raise LayoutRTError(f"{path} is truncated or not an ONNX model; copy or export it again")
    metadata = _our_metadata(path, {entry.key: entry.value for entry in model.metadata_props})
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    return {
        "what": f"ONNX model: {metadata.pop('kind')}",
        "file": str(path),
        "size_bytes": path.stat().st_size,
        "inputs": {value.name: _tensor_type(value) for value in graph.input if value.name not in constants},
        "outputs": {value.name: _tensor_type(value) for value in graph.output},
        "nodes": len(graph.node),
        "parameters": sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.dims),
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "operators_with_a_body": sorted(function.name for function in model.functions),
    } | _shown(metadata)


def _tensor_type(value: Any) -> str:
    import onnx

    tensor = value.type.tensor_type
    dims = ", ".join(
        str(dim.dim_value) if dim.dim_value else dim.dim_param or "?" for dim in tensor.shape.dim
    )
    return f"{onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)} [{dims}]"


def _engine(path: Path) -> Description:
    """What the manifest says: an engine can only be looked into where it runs."""
    manifest = read_manifest(path)
    metadata = _our_metadata(path, manifest.metadata)
    return {
        "what": f"TensorRT engine: {metadata.pop('kind')}",
        "file": str(path),
        "size_bytes": manifest.engine_bytes,
        "manifest": str(manifest_path(path)),
        "inputs": {entry.name: str(entry) for entry in manifest.inputs},
        "outputs": {entry.name: str(entry) for entry in manifest.outputs},
        "tensorrt": manifest.tensorrt,
        "cuda": manifest.cuda,
        "gpu": f"{manifest.gpu_name} ({manifest.compute_capability})",
        "version_compatible": manifest.version_compatible,
        "hardware_compatible": manifest.hardware_compatible,
        "dla": manifest.dla,
        "operator_library": manifest.operator_library,
        "onnx": {"file": manifest.onnx_file, "sha256": manifest.onnx_sha256},
        "workspace_mb": manifest.workspace_mb,
        "build_seconds": manifest.build_seconds,
        "built": manifest.built,
    } | _shown(metadata)


def _safetensors(path: Path) -> Description:
    header = read_safetensors_header(path)
    metadata = _our_metadata(path, header.metadata)
    kind = metadata.pop("kind")
    names = {
        "generator": "generator checkpoint",
        "segmenter": "segmenter checkpoint",
        "training": "state of a training run",
        "segmenter-training": "state of a segmenter's training run",
    }
    return {
        "what": names.get(kind, kind),
        "file": str(path),
        "size_bytes": path.stat().st_size,
        "tensors": len(header.shapes),
        "elements": sum(math.prod(shape) for shape in header.shapes.values()),
    } | _shown(metadata)


def _run(path: Path) -> Description:
    state = path / TRAINING_STATE
    if not state.is_file():
        raise LayoutRTError(
            f"the folder {path} is not a training run: it has no {TRAINING_STATE}; give a run or a file"
        )
    files = sorted(
        entry.name for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")
    )
    description = _safetensors(state)
    return description | {"what": "training run", "file": str(path), "files": files}


def _our_metadata(path: Path, metadata: dict[str, str]) -> dict[str, str]:
    """Our keys without their prefix, once the format is known to be readable."""
    ours = {
        key.removeprefix("layoutrt."): text for key, text in metadata.items() if key.startswith("layoutrt.")
    }
    if not {"format", "kind"} <= set(ours):
        raise LayoutRTError(
            f"{path} was not made by layoutrt; give a file from layoutrt train, import or export"
        )
    if not ours["format"].isdecimal() or int(ours["format"]) > FORMAT:
        raise LayoutRTError(
            f"{path} was made by a newer layoutrt (format {ours['format']}, version {ours.get('version')}); "
            "upgrade with: pip install --upgrade layoutrt"
        )
    return ours


def _shown(metadata: dict[str, str]) -> Description:
    """Metadata as values: JSON is parsed, the label set is summed up."""
    values: Description = {}
    for key, text in metadata.items():
        try:
            values[key] = json.loads(text) if text[:1] in '{["' else text
        except json.JSONDecodeError:
            values[key] = text
    if "label_set" in metadata:
        values["label_set"] = _label_set(LabelSet.from_json(metadata["label_set"]))
    return values


def _label_set(labels: LabelSet) -> Description:
    return {
        "name": labels.name,
        "classes": labels.num_classes,
        "dont_care": labels.dont_care,
        "labels": labels.names,
    }
