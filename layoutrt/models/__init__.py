"""The models that ship with the package: ``NAME.onnx``, each with a card ``NAME.md`` beside it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from layoutrt.errors import LayoutRTError

DEFAULT_GENERATOR = "camvid-edge"
"""The generator that the demo renders with."""
RUN_CHECKPOINTS = ("generator.safetensors", "segmenter.safetensors")
"""Checkpoints that the folders of training runs have, one or the other."""


def shipped_models() -> list[str]:
    """Names of the models in the package, sorted."""
    return sorted(Path(entry.name).stem for entry in _folder().iterdir() if entry.suffix == ".onnx")


def resolve_model(name_or_path: str | Path) -> Path:
    """Path of an ONNX file: a shipped model by name, or the file itself.

    A shipped name always means the shipped model; a file of the same name in the current folder is
    ``./camvid-edge``.

    Raises:
        LayoutRTError: neither a shipped name nor a file, or a checkpoint, which has to be exported first.
    """
    if str(name_or_path) in shipped_models():
        return _folder() / f"{name_or_path}.onnx"
    path = Path(name_or_path)
    if path.is_dir():
        path = resolve_checkpoint(path)
    if not path.is_file():
        names = ", ".join(shipped_models()) or "none in this installation; reinstall layoutrt"
        raise LayoutRTError(
            f"no model '{name_or_path}' exists; give an .onnx file or the name of a shipped model ({names})"
        )
    if path.suffix == ".safetensors":
        raise LayoutRTError(
            f"{path} is a checkpoint, not an ONNX model; "
            f"export it first: layoutrt export {path} --out {path.with_suffix('.onnx')}"
        )
    return path


def resolve_checkpoint(name_or_path: str | Path) -> Path:
    """Path of a checkpoint: a shipped one by name (``camvid-seg``), that of a run folder, or the path itself.

    Raises:
        LayoutRTError: a folder without a checkpoint.
    """
    path, shipped = Path(name_or_path), _folder() / f"{name_or_path}.safetensors"
    if path.name == str(name_or_path) and shipped.is_file():
        return shipped
    if not path.is_dir():
        return path
    for name in RUN_CHECKPOINTS:
        if (path / name).is_file():
            return path / name
    raise LayoutRTError(
        f"the folder {path} has no {' or '.join(RUN_CHECKPOINTS)}; give the run folder of layoutrt train, "
        "or a model file"
    )


def _folder() -> Path:
    return Path(str(resources.files("layoutrt.models")))
