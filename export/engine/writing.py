"""The files of an engine: all of them, or none."""

from __future__ import annotations

import json
import os
from pathlib import Path

from layoutrt.artifacts.engine_manifest import EngineManifest, layers_path, manifest_path
from layoutrt.errors import LayoutRTError
from layoutrt.files import replacing


def check_writable(out: Path) -> None:
    """Say before minutes of building that the engine could not be written.

    Raises:
        LayoutRTError: it could not.
    """
    folder = out.parent
    for path in (out, manifest_path(out), layers_path(out)):
        if path.is_dir():
            raise LayoutRTError(f"cannot write {path}: it is a folder; choose another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LayoutRTError(f"cannot write {out}: {error.strerror}; choose another place") from None
    if not os.access(folder, os.W_OK):
        raise LayoutRTError(f"cannot write {out}: the folder is read-only; choose another place")


def write_engine(out: Path, plan: memoryview, manifest: EngineManifest, layers: str) -> None:
    """Write the engine, its manifest and what TensorRT tells of its layers.

    All three are complete before the first gets its name.

    Raises:
        LayoutRTError: one of them cannot be written.
    """
    with (
        replacing(out) as engine_file,
        replacing(manifest_path(out)) as manifest_file,
        replacing(layers_path(out)) as layers_file,
    ):
        engine_file.write_bytes(plan)
        text = json.dumps(manifest.as_json(), indent=2, ensure_ascii=False)
        manifest_file.write_text(text + "\n", encoding="utf-8")
        layers_file.write_text(layers, encoding="utf-8")
