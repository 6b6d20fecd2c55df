"""One description of a model, read once from an ONNX file, an engine's manifest or a checkpoint's header."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layoutrt.architectures import SEGMENTER_MULTIPLE, architecture, size_multiple
from layoutrt.artifacts.engine_manifest import manifest_path, read_manifest
from layoutrt.artifacts.safetensors_header import SafetensorsHeader, read_safetensors_header
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_checkpoint, resolve_model, shipped_models

if TYPE_CHECKING:
    import onnx

FORMAT = 1
"""The newest file contract (metadata key ``layoutrt.format``) that is read, and the one that is written."""
PREFIX = "layoutrt."
"""Every metadata key of ours begins with it."""
RENDER_FILE, LAYOUT_FILE = "layoutrt.render_file", "layoutrt.layout_file"
"""Keys of a model in two files: each half's metadata name the file of the other, in the same folder."""

ONNX, ENGINE, CHECKPOINT = "onnx", "engine", "checkpoint"
FORMATS = {".onnx": ONNX, ".engine": ENGINE, ".safetensors": CHECKPOINT}
"""The format of a model by its file's suffix."""
GENERATOR, SEGMENTER, ENCODER, RENDER_HALF = "generator", "segmenter", "encoder", "render half"
_KINDS = (GENERATOR, SEGMENTER, ENCODER, RENDER_HALF)
TRAINING_STATES = {
    "training": "state of a training run",
    "segmenter-training": "state of a segmenter's training run",
}
"""Kinds of files that hold more than a model."""
_PICTURES = ("labels", "frame", "image")
"""Inputs whose shape begins with [N,H,W]."""

ONNXRUNTIME, TENSORRT = "onnxruntime", "tensorrt"
"""Targets of calibration."""

Size = tuple[int, int]


@dataclass(frozen=True)
class ModelInfo:
    """One model, without running it.

    Attributes:
        path: its file.
        format: ``"onnx"``, ``"engine"`` or ``"checkpoint"``.
        kind: ``"generator"``, ``"segmenter"``, ``"encoder"``, or ``"render half"`` for the second file of a
            model that was exported with ``--cache-layout``.
        version: of the layoutrt that made it.
        precision: number format of the weights, such as ``"fp32"``.
        target: what it was calibrated for: ``"onnxruntime"`` or ``"tensorrt"``; None for neither.
        label_set: what labels mean.
        architecture: of a generator, a key of `layoutrt.architectures.ARCHITECTURES`; None for other kinds.
        trained_size: (height, width) it was trained at.
        size: (height, width) it is made for; None where it takes any multiple of ``size_multiple``.
        size_multiple: what heights and widths are multiples of.
        profile: smallest, best and largest (height, width) of an engine; None for other formats.
        batch: inputs of a run; None where any number is taken.
        needs_instances: whether it reads instance ids.
        latent: length of ``z``; 0 for none.
        render_file: name of the file with the second half; None for a model in one file.
        layout_file: name of the file with the first half; None unless this is the second.
        config: configuration of the network.
        metadata: the file's own metadata, as it is there.
        details: more that the format says, as plain values in the order that ``layoutrt info`` shows them.
    """

    path: Path
    format: str
    kind: str
    version: str
    precision: str
    target: str | None
    label_set: LabelSet
    architecture: str | None
    trained_size: Size
    size: Size | None
    size_multiple: int
    profile: tuple[Size, Size, Size] | None
    batch: int | None
    needs_instances: bool
    latent: int
    render_file: str | None
    layout_file: str | None
    config: Mapping[str, Any]
    metadata: Mapping[str, str]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the model, for messages: that of its file without the suffix."""
        return self.path.stem

    @property
    def run_size(self) -> Size:
        """(height, width) to run it at where none is asked for."""
        return self.size or (self.profile[1] if self.profile else self.trained_size)

    @property
    def runs_alone(self) -> bool:
        """True for a whole generator or segmenter, which can be opened and run."""
        return self.kind in (GENERATOR, SEGMENTER) and self.layout_file is None

    def check_size(self, size: Size) -> None:
        """Refuse a (height, width) that the model cannot run at.

        Raises:
            LayoutRTError: it is fixed to another, or built for others, or the size is not such a multiple.
        """
        asked = f"{size[0]}x{size[1]}"
        if self.size and self.size != size:
            raise LayoutRTError(
                f"model {self.name} is made for {self.size[0]}x{self.size[1]} and not {asked}; leave --size "
                "out, or export it for this size or with --size dynamic"
            )
        step = self.size_multiple
        if min(size) < step or size[0] % step or size[1] % step:
            raise LayoutRTError(
                f"model {self.name} cannot run at {asked}; give a --size of multiples of {step}"
            )
        if self.profile is None:
            return
        low, _, high = self.profile
        if not all(low[axis] <= size[axis] <= high[axis] for axis in (0, 1)):
            raise LayoutRTError(
                f"the engine {self.path} was built for {low[0]}x{low[1]} to {high[0]}x{high[1]} and not for "
                f"{asked}; leave --size out, or build it again with --min and --max around it"
            )


def read_model_info(name_or_path: str | Path) -> ModelInfo:
    """Read the description of a model.

    Args:
        name_or_path: ONNX file, engine or checkpoint, or the name of a shipped model.

    Raises:
        LayoutRTError: there is no such file, it is damaged, made by a newer version, or not a model of ours.
    """
    shipped = str(name_or_path) in shipped_models()
    path = resolve_model(name_or_path) if shipped else resolve_checkpoint(name_or_path)
    if not path.is_file():
        raise LayoutRTError(
            f"there is no model '{name_or_path}'; give an .onnx, .engine or .safetensors file, or the name "
            f"of a shipped model ({', '.join(shipped_models()) or 'none in this installation'})"
        )
    file_format = model_format(path)
    if file_format == ENGINE:
        return _engine_info(path)
    if file_format == CHECKPOINT:
        header = read_safetensors_header(path)
        return info_from_metadata(path, header.metadata, {}, checkpoint_details(path, header))
    from layoutrt.graph.onnx_file import read_onnx

    return onnx_model_info(path, read_onnx(path))


def checkpoint_details(path: Path, header: SafetensorsHeader) -> dict[str, int]:
    """Size of a safetensors file in bytes, tensors and numbers."""
    elements = sum(math.prod(shape) for shape in header.shapes.values())
    return {"size_bytes": path.stat().st_size, "tensors": len(header.shapes), "elements": elements}


def model_format(path: Path) -> str:
    """`ONNX`, `ENGINE` or `CHECKPOINT`, by the suffix.

    Raises:
        LayoutRTError: the suffix is another.
    """
    if path.suffix not in FORMATS:
        raise LayoutRTError(
            f"{path} is not a model by its suffix; give an .onnx, .engine or .safetensors file"
        )
    return FORMATS[path.suffix]


def our_metadata(path: Path, metadata: Mapping[str, str]) -> dict[str, str]:
    """Our keys without their prefix, once the format is known to be readable.

    Raises:
        LayoutRTError: the file is foreign, or of a newer version.
    """
    ours = {key.removeprefix(PREFIX): text for key, text in metadata.items() if key.startswith(PREFIX)}
    if not {"format", "kind"} <= set(ours):
        raise LayoutRTError(
            f"{path} was not made by layoutrt; give a file from layoutrt train, import-checkpoint or export"
        )
    if not ours["format"].isdecimal() or int(ours["format"]) > FORMAT:
        raise LayoutRTError(
            f"{path} was made by a newer layoutrt (format {ours['format']}, version {ours.get('version')}); "
            "upgrade with: pip install --upgrade layoutrt"
        )
    return ours


def info_from_metadata(
    path: Path,
    metadata: Mapping[str, str],
    shapes: Mapping[str, Sequence[int | None]],
    details: Mapping[str, Any] | None = None,
    profile: tuple[Size, Size, Size] | None = None,
) -> ModelInfo:
    """The description that a file's metadata and the shapes of its inputs give.

    Args:
        path: the file; its suffix says the format.
        metadata: the file's custom metadata.
        shapes: of the inputs by name, with None or 0 for an open dimension; empty for a checkpoint.
        details: as of `ModelInfo`.
        profile: as of `ModelInfo`.

    Raises:
        LayoutRTError: the metadata are foreign, of a newer version or incomplete, or name an unknown kind or
            architecture.
    """
    ours = our_metadata(path, metadata)
    kind = ours["kind"]
    if kind in TRAINING_STATES:
        raise LayoutRTError(
            f"{path} is the {TRAINING_STATES[kind]} and not a model; give the network's checkpoint beside it"
        )
    if kind not in _KINDS:
        raise LayoutRTError(
            f"{path} holds a '{kind}', which this layoutrt does not know; upgrade with: "
            "pip install --upgrade layoutrt"
        )
    file_format = model_format(path)
    try:
        config = json.loads(ours["config"])
        label_set = LabelSet.from_json(ours["label_set"])
        trained = (int(config["image_height"]), int(config["image_width"]))
        latent = int(config.get("latent", 0))
        network, multiple, fixed = None, 1, False
        if kind in (GENERATOR, RENDER_HALF):
            # Files that name no architecture are older than the choice: they hold the paper's.
            network = architecture(config.get("architecture", "cc-fpse"))
            multiple = size_multiple(int(config["pyramid_levels"]))
            fixed = latent > 0 and network.latent_fixes_size
        elif kind == SEGMENTER:
            multiple = SEGMENTER_MULTIPLE
        instances = bool(config.get("instance_edges", False))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise LayoutRTError(
            f"{path} has incomplete metadata ({error}); export or train it again with layoutrt"
        ) from None
    except LayoutRTError as error:
        raise LayoutRTError(f"{path}: {error}") from None
    batch, size = None, trained if fixed and file_format == CHECKPOINT else None
    for name in _PICTURES:
        if name in shapes:
            batch, height, width = (dim or None for dim in shapes[name][:3])
            size = (height, width) if height and width else None
            break
    return ModelInfo(
        path=path,
        format=file_format,
        kind=kind,
        version=ours.get("version", "unknown"),
        precision="fp32" if file_format == CHECKPOINT else ours.get("precision", "unknown"),
        target=ours.get("target"),
        label_set=label_set,
        architecture=network.name if network else None,
        trained_size=trained,
        size=size,
        size_multiple=multiple,
        profile=profile,
        batch=batch,
        needs_instances=instances,
        latent=latent,
        render_file=ours.get("render_file"),
        layout_file=ours.get("layout_file"),
        config=config,
        metadata=metadata,
        details=details or {},
    )


def onnx_model_info(path: Path, model: onnx.ModelProto) -> ModelInfo:
    """The description of an ONNX model that is loaded already.

    Raises:
        LayoutRTError: as of `info_from_metadata`.
    """
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    details = {
        "size_bytes": path.stat().st_size,
        "inputs": {value.name: _tensor_type(value) for value in inputs},
        "outputs": {value.name: _tensor_type(value) for value in graph.output},
        "nodes": len(graph.node),
        "parameters": sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.dims),
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "operators_with_a_body": sorted(function.name for function in model.functions),
    }
    shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inputs}
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    return info_from_metadata(path, metadata, shapes, details)


def _tensor_type(value: onnx.ValueInfoProto) -> str:
    import onnx

    tensor = value.type.tensor_type
    dims = ", ".join(
        str(dim.dim_value) if dim.dim_value else dim.dim_param or "?" for dim in tensor.shape.dim
    )
    return f"{onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)} [{dims}]"


def _engine_info(path: Path) -> ModelInfo:
    """The description that the manifest gives: an engine can only be looked into where it runs."""
    manifest = read_manifest(path)
    details = {
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
    }
    profile = None
    for entry in manifest.inputs:
        if entry.name in _PICTURES:
            low, best, high = ((shape[1], shape[2]) for shape in (entry.min, entry.opt, entry.max))
            profile = (low, best, high)
    shapes = {entry.name: entry.shape for entry in manifest.inputs}
    return info_from_metadata(path, manifest.metadata, shapes, details, profile)
