"""Mapping from the classes of one label set to those of another."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OTHERS = "*"
"""Key of a mapping for the classes that it does not name."""


def label_table(
    given: LabelSet, wanted: LabelSet, mapping: Path | None = None, *, source: str = "the source"
) -> NDArray[np.uint8] | None:
    """Class index in ``wanted`` of each class index in ``given``.

    A mapping is a TOML file with a line ``"class of given" = "class of wanted"`` for each class whose name
    differs; ``"*" = "class"`` stands for all that neither the file nor ``wanted`` names.

    Args:
        given: label set of the source.
        wanted: label set of the generator.
        mapping: the mapping file; None if the label sets are the same.
        source: source of the classes, for messages.

    Returns:
        uint8 [256], or None if the label sets are the same.

    Raises:
        LayoutRTError: the label sets differ and no mapping is given, or the mapping leaves a class out.
    """
    if mapping is None:
        if given.names == wanted.names:
            return None
        raise LayoutRTError(
            f"{source} gives labels of '{given.name}', but the generator takes '{wanted.name}'; use models "
            "of one label set, or map each class: --mapping FILE.toml"
        )
    names = _read(mapping)
    for name in names:
        if name != OTHERS and name not in given.names:
            raise LayoutRTError(
                f"{mapping} maps the class '{name}', which '{given.name}' does not have; correct its name"
            )
    indices = {name: index for index, name in enumerate(wanted.names)}
    table = np.zeros(256, np.uint8)
    for index, name in enumerate(given.names):
        same = name if name in indices else names.get(OTHERS)
        target = names.get(name, same)
        if target is None:
            raise LayoutRTError(
                f"{mapping} does not say what the class '{name}' of '{given.name}' is in '{wanted.name}'; "
                f'add a line "{name}" = "…", or "*" = "…" for all others'
            )
        if target not in indices:
            raise LayoutRTError(
                f"{mapping} maps '{name}' to '{target}', which '{wanted.name}' does not have; "
                f"use one of: {', '.join(wanted.names)}"
            )
        table[index] = indices[target]
    return table


def _read(path: Path) -> dict[str, str]:
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LayoutRTError(f"cannot read the mapping {path} ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LayoutRTError(f"{path} is not valid TOML ({error}); correct the file") from None
    for name, target in entries.items():
        if not isinstance(target, str):
            raise LayoutRTError(f'{path} maps \'{name}\' to no class; write lines "class" = "class"')
    return entries
