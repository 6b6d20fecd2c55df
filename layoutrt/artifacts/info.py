"""Description of any artifact of layoutrt, as ``layoutrt info`` shows it, without running it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from layoutrt.artifacts.model_info import (
    CHECKPOINT,
    ENGINE,
    FORMATS,
    ONNX,
    PREFIX,
    TRAINING_STATES,
    checkpoint_details,
    our_metadata,
    read_model_info,
)
from layoutrt.artifacts.safetensors_header import read_safetensors_header
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet, label_set
from layoutrt.models import shipped_models

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
        return _model(name_or_path)
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
        kind = our_metadata(path, read_safetensors_header(path).metadata)["kind"]
        return _training_state(path) if kind in TRAINING_STATES else _model(path)
    if path.suffix in FORMATS:
        return _model(path)
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


def _model(name_or_path: str | Path) -> Description:
    info = read_model_info(name_or_path)
    what = {
        ONNX: f"ONNX model: {info.kind}",
        ENGINE: f"TensorRT engine: {info.kind}",
        CHECKPOINT: f"{info.kind} checkpoint",
    }
    return {"what": what[info.format], "file": str(info.path)} | dict(info.details) | _shown(info.metadata)


def _training_state(path: Path) -> Description:
    header = read_safetensors_header(path)
    kind = our_metadata(path, header.metadata)["kind"]
    if kind not in TRAINING_STATES:
        raise LayoutRTError(
            f"{path} holds a {kind} and not the state of a training run; give the file of a run"
        )
    return {
        "what": TRAINING_STATES[kind],
        "file": str(path),
        **checkpoint_details(path, header),
    } | _shown(header.metadata)


def _run(path: Path) -> Description:
    state = path / TRAINING_STATE
    if not state.is_file():
        raise LayoutRTError(
            f"the folder {path} is not a training run: it has no {TRAINING_STATE}; give a run or a file"
        )
    files = sorted(
        entry.name for entry in path.iterdir() if entry.is_file() and not entry.name.startswith(".")
    )
    description = _training_state(state)
    return description | {"what": "training run", "file": str(path), "files": files}


def _shown(metadata: Mapping[str, str]) -> Description:
    """Our metadata as values: JSON is parsed, the label set is summed up."""
    values: Description = {}
    for key, text in metadata.items():
        if not key.startswith(PREFIX) or key == "layoutrt.kind":
            continue
        key = key.removeprefix(PREFIX)
        try:
            values[key] = json.loads(text) if text[:1] in '{["' else text
        except json.JSONDecodeError:
            values[key] = text
        if key == "label_set":
            values[key] = _label_set(LabelSet.from_json(text))
    return values


def _label_set(labels: LabelSet) -> Description:
    return {
        "name": labels.name,
        "classes": labels.num_classes,
        "dont_care": labels.dont_care,
        "labels": labels.names,
    }
