"""The models that ship with the package: ``NAME.onnx``, each with a card ``NAME.md`` beside it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from layoutrt.errors import LayoutRTError

DEFAULT_GENERATOR = "camvid-edge"
"""Generator that the demo renders with."""


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
    """Path of a checkpoint: a shipped one by name (``camvid-seg``), or the path itself."""
    shipped = _folder() / f"{name_or_path}.safetensors"
    return (
        shipped if Path(name_or_path).name == str(name_or_path) and shipped.is_file() else Path(name_or_path)
    )


def _folder() -> Path:
    return Path(str(resources.files("layoutrt.models")))
