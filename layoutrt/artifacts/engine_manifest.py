"""The manifest ``M.engine.json`` beside ``M.engine``: what the engine is, and where it can run.

It is read and compared before TensorRT sees the engine, which knows no better answer to a foreign file than a
line in its log. ``runtime/native/formats/engine_manifest.cpp`` does the same with the same sentences.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from layoutrt.errors import LayoutRTError

FORMAT = 1
"""The newest manifest this version reads and the one it writes."""

NONE, AMPERE_PLUS, SAME_COMPUTE_CAPABILITY = "none", "ampere_plus", "same_compute_capability"
"""Values of ``hardware_compatible``."""

_AMPERE = (8, 0)
_DTYPES = ("bool", "float16", "float32", "int8", "int32", "int64", "uint8")
"""Types of an engine's inputs and outputs."""


@dataclass(frozen=True)
class EngineInput:
    """An input: its name, dtype (as numpy calls it), and the shapes of its optimization profile."""

    name: str
    dtype: str
    min: list[int]
    opt: list[int]
    max: list[int]

    @property
    def shape(self) -> tuple[int | None, ...]:
        """None stands for a dimension that each run fixes."""
        pairs = zip(self.min, self.max, strict=True)
        return tuple(low if low == high else None for low, high in pairs)

    def __str__(self) -> str:
        pairs = zip(self.min, self.max, strict=True)
        dims = (str(low) if low == high else f"{low}..{high}" for low, high in pairs)
        return f"{self.dtype} [{', '.join(dims)}]"


@dataclass(frozen=True)
class EngineOutput:
    """An output: its name, dtype, and shape with -1 for what each run fixes."""

    name: str
    dtype: str
    shape: list[int]

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('?' if dim < 0 else str(dim) for dim in self.shape)}]"


@dataclass(frozen=True)
class EngineManifest:
    """The file beside an engine; `as_json` gives its keys.

    Attributes:
        layoutrt: version that built it.
        tensorrt: version that built it, such as ``"10.3.0"``.
        cuda: that the driver served when it was built.
        gpu_name: of the GPU that it was built on.
        compute_capability: of the same, such as ``"8.7"``.
        version_compatible: whether newer versions of the same major TensorRT take it.
        hardware_compatible: `NONE`, `AMPERE_PLUS` or `SAME_COMPUTE_CAPABILITY`.
        dla: whether layers were offered to the deep learning accelerator.
        operator_library: version of layoutrt that its plugins are of.
        precision: of the graph, such as ``"int8"``.
        onnx_file: name of the ONNX file it was built from.
        onnx_sha256: of that file.
        engine_sha256: of the engine.
        engine_bytes: its size.
        inputs: with their profile.
        outputs: of the network.
        workspace_mb: limit of the scratch memory; None for TensorRT's default, all of the device's.
        build_seconds: of TensorRT's builder.
        built: time in UTC, ISO 8601.
        metadata: of the ONNX file.
    """

    layoutrt: str
    tensorrt: str
    cuda: str
    gpu_name: str
    compute_capability: str
    version_compatible: bool
    hardware_compatible: str
    dla: bool
    operator_library: str
    precision: str
    onnx_file: str
    onnx_sha256: str
    engine_sha256: str
    engine_bytes: int
    inputs: list[EngineInput]
    outputs: list[EngineOutput]
    workspace_mb: int | None
    build_seconds: float
    built: str
    metadata: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The content of the file."""
        values = asdict(self)
        gpu = {"name": values.pop("gpu_name"), "compute_capability": values.pop("compute_capability")}
        onnx = {"file": values.pop("onnx_file"), "sha256": values.pop("onnx_sha256")}
        return {"format": FORMAT, **values, "gpu": gpu, "onnx": onnx}


def manifest_path(engine: Path) -> Path:
    """``M.engine.json`` beside ``M.engine``."""
    return engine.with_name(f"{engine.name}.json")


def layers_path(engine: Path) -> Path:
    """``M.engine.layers.json`` beside ``M.engine``: what TensorRT's inspector says of its layers."""
    return engine.with_name(f"{engine.name}.layers.json")


def is_engine(path: str | Path) -> bool:
    """True if a file's name says that it is an engine."""
    return Path(path).suffix == ".engine"


def read_manifest(engine: Path) -> EngineManifest:
    """The manifest of an engine, without looking at the engine.

    Args:
        engine: path of the ``.engine`` file.

    Raises:
        LayoutRTError: the engine or manifest is missing, or the manifest is damaged or of a newer layoutrt.
    """
    path = manifest_path(engine)
    if not engine.is_file():
        raise LayoutRTError(f"the engine {engine} does not exist; build it with: layoutrt build-engine")
    if not path.is_file():
        raise LayoutRTError(
            f"{engine} has no manifest {path.name} beside it; copy both files, or build the engine with: "
            "layoutrt build-engine"
        )
    damaged = f"{path} is not an engine manifest; copy it again, or build the engine again"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        number = values.pop("format")
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise LayoutRTError(damaged) from None
    if not isinstance(number, int):
        raise LayoutRTError(damaged)
    if number > FORMAT:
        raise LayoutRTError(
            f"{engine} was built by a newer layoutrt (manifest format {number}, version "
            f"{values.get('layoutrt')}); upgrade with: pip install --upgrade layoutrt"
        )
    try:
        gpu, onnx = values.pop("gpu"), values.pop("onnx")
        values |= {"gpu_name": gpu["name"], "compute_capability": gpu["compute_capability"]}
        values |= {"onnx_file": onnx["file"], "onnx_sha256": onnx["sha256"]}
        values["inputs"] = [EngineInput(**entry) for entry in values["inputs"]]
        values["outputs"] = [EngineOutput(**entry) for entry in values["outputs"]]
        names = EngineManifest.__dataclass_fields__
        # A later version of the same format may have written more.
        manifest = EngineManifest(**{name: values[name] for name in names})
        _check_values(manifest)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LayoutRTError(damaged) from None
    return manifest


def _check_values(manifest: EngineManifest) -> None:
    """Raise ValueError where what loaders rely on is of another type, as the native library does."""
    texts = [manifest.gpu_name, manifest.hardware_compatible, manifest.operator_library, manifest.onnx_file]
    texts += [manifest.engine_sha256, *manifest.metadata.keys(), *manifest.metadata.values()]
    flags = (manifest.version_compatible, manifest.dla)
    numbers = [manifest.engine_bytes, *(dim for output in manifest.outputs for dim in output.shape)]
    tensors: list[EngineInput | EngineOutput] = [*manifest.inputs, *manifest.outputs]
    for tensor in tensors:
        texts.append(tensor.name)
        if tensor.dtype not in _DTYPES:
            raise ValueError(tensor.name)
    for entry in manifest.inputs:
        if not len(entry.min) == len(entry.opt) == len(entry.max):
            raise ValueError(entry.name)
        numbers += [*entry.min, *entry.opt, *entry.max]
    of_kinds: list[tuple[Sequence[object], type]] = [(texts, str), (flags, bool), (numbers, int)]
    for values, kind in of_kinds:
        if not all(isinstance(value, kind) for value in values):
            raise ValueError(kind)
    _three(manifest.tensorrt)
    _two(manifest.compute_capability)


def check_engine(
    engine: Path, manifest: EngineManifest, *, tensorrt: str, gpu_name: str, compute_capability: str,
    operator_library: str,
) -> bytes:  # fmt: skip
    """Refuse an engine that cannot run here, before it is deserialized.

    Args:
        engine: its file.
        manifest: of `read_manifest`.
        tensorrt: version that is installed.
        gpu_name: of the GPU that is to run it.
        compute_capability: of the same.
        operator_library: version of layoutrt that the operator library at hand is of.

    Returns:
        The content of the file, which is read once.

    Raises:
        LayoutRTError: TensorRT, the GPU, the operator library or the file itself is another.
    """
    again = f"build it again here: layoutrt build-engine {manifest.onnx_file} --out {engine.name}"
    if not _tensorrt_fits(manifest, tensorrt):
        raise LayoutRTError(
            f"{engine} was built with TensorRT {manifest.tensorrt} and this is {tensorrt}; {again}"
        )
    if not _gpu_fits(manifest, compute_capability):
        raise LayoutRTError(
            f"{engine} was built for compute capability {manifest.compute_capability} ({manifest.gpu_name}) "
            f"and this GPU has {compute_capability} ({gpu_name}); {again}"
        )
    if manifest.operator_library != operator_library:
        raise LayoutRTError(
            f"{engine} was built with the operator library of layoutrt {manifest.operator_library} and this "
            f"is {operator_library}; {again}"
        )
    try:
        size = engine.stat().st_size
        content = engine.read_bytes() if size == manifest.engine_bytes else b""
    except OSError as error:
        raise LayoutRTError(f"the file '{engine}' cannot be read: {error.strerror}") from None
    if size != manifest.engine_bytes:
        raise LayoutRTError(
            f"{engine} has {size} bytes where its manifest says {manifest.engine_bytes}; "
            "copy the engine and its manifest again, or build it again"
        )
    if hashlib.sha256(content).hexdigest() != manifest.engine_sha256:
        raise LayoutRTError(
            f"{engine} is another file than its manifest describes (the SHA-256 differs); "
            "copy the engine and its manifest again, or build it again"
        )
    return content


def _tensorrt_fits(manifest: EngineManifest, here: str) -> bool:
    built, runs = _three(manifest.tensorrt), _three(here)
    if manifest.version_compatible:
        return built[0] == runs[0] and built <= runs
    return built == runs


def _gpu_fits(manifest: EngineManifest, here: str) -> bool:
    if manifest.hardware_compatible == AMPERE_PLUS:
        return _two(here) >= _AMPERE
    # Both other levels ask for the same one.
    return manifest.compute_capability == here


def _three(version: str) -> tuple[int, ...]:
    """Major, minor and patch. Not every package tells the fourth number, NVIDIA's build; TensorRT itself
    refuses a build that it does not take."""
    parts = tuple(int(part) for part in version.split(".")[:3])
    if len(parts) != 3:
        raise ValueError(version)
    return parts


def _two(capability: str) -> tuple[int, ...]:
    major, minor = capability.split(".")
    return int(major), int(minor)
