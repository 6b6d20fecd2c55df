"""Label sets: the classes of a data set, their colors and their bytes in files."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_FOLDER = resources.files("layoutrt") / "label_sets"

LABEL_SETS = tuple(
    sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir() if entry.name.endswith(".toml"))
)
"""Names of the label sets that ship with the package: its files ``label_sets/NAME.toml``."""

OUTSIDE = 255
"""Never a class index: what ``LabelSet.file_table`` holds for a byte that names no class."""

Color = tuple[int, int, int]
"""Red, green, blue, each 0..255."""


@dataclass(frozen=True)
class Label:
    """One class: its name, its RGB color, and whether it is a countable thing (car) or stuff (road).

    ``file_value`` is the byte that stands for it in files, where that is not its index + the set's offset.
    """

    name: str
    color: Color
    thing: bool
    file_value: int | None = None


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set, in index order.

    Attributes:
        name: short name, such as ``"camvid"``.
        labels: one per class index, from 0.
        dont_care: the index that means "don't care": the index of a label (CamVid's void), or
            ``len(labels)``, an extra channel of the model that has no label (COCO-Stuff), or None.
        file_dont_care: the byte that means "don't care" in files. Needed where ``dont_care`` is an extra
            index; otherwise it is that label's byte.
        file_offset: byte in files minus class index (1 for ADE20K, whose files keep 0 for "other").
        dont_care_color: RGB color of an extra "don't care" index.

    Raises:
        LayoutRTError: two classes share a name, a color or a file value, or a number is out of range.

    Example:
        >>> camvid = label_set("camvid")
        >>> camvid.num_classes, camvid.names[3], camvid.colors[3]
        (12, 'road', (128, 64, 128))
    """

    name: str
    labels: tuple[Label, ...] = field(repr=False)
    dont_care: int | None = None
    file_dont_care: int | None = None
    file_offset: int = 0
    dont_care_color: Color = (0, 0, 0)

    def __post_init__(self) -> None:
        count = len(self.labels)
        self._check(1 <= count <= 254, f"has {count} labels; give it between 1 and 254")
        if self.dont_care is not None:
            self._check(0 <= self.dont_care <= count, f"has dont_care = {self.dont_care}; use 0 to {count}")
            if self.dont_care < count and self.file_dont_care is None:
                object.__setattr__(self, "file_dont_care", self._label_file_value(self.dont_care))
        self._check(
            (self.dont_care is None) == (self.file_dont_care is None),
            "has one of dont_care and file_dont_care without the other; give both",
        )
        unique: dict[str, Sequence[Any]]
        unique = {"name": self.names, "color": self.colors, "file value": self.file_values}
        for kind, items in unique.items():
            twice = next((item for item in items if items.count(item) > 1), None)
            self._check(twice is None, f"uses the {kind} {twice!r} for two classes; give each its own")
        for color in self.colors:
            self._check(all(0 <= c <= 255 for c in color), f"has the color {color}; use bytes from 0 to 255")
        for value in self.file_values:
            self._check(0 <= value <= 255, f"has the file value {value}; use a byte from 0 to 255")
        if self.dont_care is not None:
            self._check(
                self.file_dont_care == self.file_values[self.dont_care],
                f"has file_dont_care = {self.file_dont_care}, but its 'don't care' label has the file value "
                f"{self.file_values[self.dont_care]}; leave file_dont_care out",
            )

    def _check(self, holds: bool, problem: str) -> None:
        if not holds:
            raise LayoutRTError(f"label set '{self.name}' {problem}")

    def _label_file_value(self, index: int) -> int:
        value = self.labels[index].file_value
        return index + self.file_offset if value is None else value

    @property
    def num_classes(self) -> int:
        """Number of class indices, an extra "don't care" included: the semantic channels of a model."""
        return len(self.labels) + (self.dont_care == len(self.labels))

    @property
    def names(self) -> list[str]:
        """Name of each class index; an extra "don't care" index is called so."""
        extra = ["don't care"] if self.num_classes > len(self.labels) else []
        return [label.name for label in self.labels] + extra

    @property
    def colors(self) -> list[Color]:
        """RGB color of each class index."""
        extra = [self.dont_care_color] if self.num_classes > len(self.labels) else []
        return [label.color for label in self.labels] + extra

    @property
    def file_values(self) -> list[int]:
        """Byte in files of each class index."""
        values = [self._label_file_value(index) for index in range(len(self.labels))]
        if self.num_classes > len(self.labels) and self.file_dont_care is not None:
            values.append(self.file_dont_care)
        return values

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """RGB color of each class index, uint8 [num_classes,3]."""
        return np.array(self.colors, np.uint8)

    @cached_property
    def file_table(self) -> NDArray[np.uint8]:
        """Class index of each byte in files, uint8 [256]; ``OUTSIDE`` where the byte names no class."""
        table = np.full(256, OUTSIDE, np.uint8)
        table[self.file_values] = np.arange(self.num_classes)
        return table

    def from_file_values(self, values: NDArray[np.uint8], source: str = "the layout") -> NDArray[np.uint8]:
        """Turn bytes as the data set's files hold them into class indices, uint8 [H,W] both.

        Raises:
            LayoutRTError: a byte names no class; ``source`` says where it came from.
        """
        labels: NDArray[np.uint8] = self.file_table[values]
        if labels.max(initial=0) == OUTSIDE:
            y, x = (int(i[0]) for i in np.nonzero(labels == OUTSIDE))
            raise LayoutRTError(
                f"{source} has the value {values[y, x]} at pixel (x={x}, y={y}), which is not a class of "
                f"label set '{self.name}'; use the label set that the layout was made with"
            )
        return labels

    def to_file_values(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn class indices into bytes as the data set's files hold them, uint8 [H,W] both."""
        return np.array(self.file_values, np.uint8)[labels]

    def to_json(self) -> str:
        """Write the label set as one line of JSON, so that a model file can carry it."""
        table = _without_defaults(self)
        table["labels"] = [_without_defaults(label) for label in self.labels]
        return json.dumps(table, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> LabelSet:
        """Read what ``to_json`` wrote.

        Raises:
            LayoutRTError: ``text`` is not a label set.
        """
        try:
            table = json.loads(text)
        except json.JSONDecodeError as error:
            raise LayoutRTError(
                f"the label set is not valid JSON ({error}); export the model again"
            ) from None
        return _from_table(table, "the label set in JSON")


def label_set(name_or_path: str | Path) -> LabelSet:
    """Return a shipped label set by name, or read one from a TOML file of the same form.

    Args:
        name_or_path: one of ``LABEL_SETS``, or the path of a ``.toml`` file; ``label_sets/camvid.toml`` in
            the package is a short one to start from.

    Raises:
        LayoutRTError: no label set or file has this name, or the file is not a label set.
    """
    name = str(name_or_path).lower().replace("_", "-")
    if name in LABEL_SETS:
        return _shipped(name)
    path = Path(name_or_path)
    if path.suffix.lower() != ".toml":
        raise LayoutRTError(
            f"no label set '{name_or_path}' exists; "
            f"use one of {', '.join(LABEL_SETS)}, or the path of a .toml file"
        )
    try:
        return _from_toml(path.read_bytes(), str(path))
    except OSError as error:
        raise LayoutRTError(f"cannot read the label set {path} ({error.strerror}); check the path") from None


def numbered_label_set(count: int, dont_care: bool) -> LabelSet:
    """A label set for a model whose classes have no known names: "class 0" … "class count-1".

    Args:
        count: number of classes, without "don't care".
        dont_care: true if one more index, byte 255 in files, means "don't care".
    """
    labels = tuple(Label(f"class {index}", _spread_color(index + 1), thing=False) for index in range(count))
    if not dont_care:
        return LabelSet(f"numbered-{count}", labels)
    return LabelSet(f"numbered-{count}", labels, dont_care=count, file_dont_care=255)


def _spread_color(index: int) -> Color:
    """Distinct colors for 0..255: the bits of the index go in turn to red, green and blue, highest first."""
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


@cache
def _shipped(name: str) -> LabelSet:
    return _from_toml((_FOLDER / f"{name}.toml").read_bytes(), f"{name}.toml")


def _from_toml(data: bytes, source: str) -> LabelSet:
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LayoutRTError(f"{source} is not valid TOML ({error}); correct the file") from None
    return _from_table(table, source)


_SET_TYPES: Mapping[str, type] = {
    "name": str,
    "labels": list,
    "dont_care": int,
    "file_dont_care": int,
    "file_offset": int,
    "dont_care_color": list,
}
_LABEL_TYPES: Mapping[str, type] = {"name": str, "color": list, "thing": bool, "file_value": int}


def _from_table(table: Any, source: str) -> LabelSet:
    """Build a label set from parsed TOML or JSON; every error names ``source``."""
    table = _checked(table, _SET_TYPES, ("name", "labels"), source)
    labels = []
    for index, entry in enumerate(table.pop("labels")):
        entry = _checked(entry, _LABEL_TYPES, ("name", "color", "thing"), f"{source}, label {index},")
        labels.append(Label(**entry))
    try:
        return LabelSet(labels=tuple(labels), **table)
    except LayoutRTError as error:
        raise LayoutRTError(f"{source}: {error}") from None


def _checked(table: Any, types: Mapping[str, type], required: Sequence[str], source: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise LayoutRTError(f"{source} is not a table; write the keys {', '.join(types)}")
    for key in required:
        if key not in table:
            raise LayoutRTError(f"{source} has no '{key}'; add it")
    checked: dict[str, Any] = {}
    for key, value in table.items():
        if key not in types:
            raise LayoutRTError(f"{source} has the unknown key '{key}'; use only {', '.join(types)}")
        if type(value) is not types[key]:  # not isinstance: true is not an integer here
            raise LayoutRTError(
                f"{source} has {key} = {value!r}; write a value of type {types[key].__name__}"
            )
        if isinstance(value, list) and key.endswith("color"):
            if len(value) != 3 or any(type(c) is not int for c in value):
                raise LayoutRTError(f"{source} has {key} = {value}; write [red, green, blue], each 0 to 255")
            value = tuple(value)
        checked[key] = value
    return checked


def _without_defaults(record: Label | LabelSet) -> dict[str, Any]:
    fields = type(record).__dataclass_fields__.values()
    return {f.name: getattr(record, f.name) for f in fields if getattr(record, f.name) != f.default}
