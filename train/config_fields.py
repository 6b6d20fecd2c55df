"""Fields of a training configuration, each with the values that it takes and the option that sets it.

The command line, the checks and the table in docs/training-options.md all read this metadata; nothing about
an option is written twice. It needs no torch, so that ``--help`` answers at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal

from layoutrt.errors import LayoutRTError

Kind = Literal["field", "path", "size"]


@dataclass(frozen=True)
class Limits:
    """Values that a field takes; None and an empty ``choices`` stand for no limit."""

    choices: tuple[Any, ...] = ()
    at_least: float | None = None
    above: float | None = None
    below: float | None = None

    def allow(self, value: Any) -> bool:
        """True for a value within the limits; a number must be finite, too."""
        if self.choices:
            return value in self.choices
        return (
            (not isinstance(value, float) or math.isfinite(value))
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.choices:
            return either(self.choices)
        words = (("at least", self.at_least), ("above", self.above), ("below", self.below))
        return " and ".join(f"{word} {_number(limit)}" for word, limit in words if limit is not None)


@dataclass(frozen=True)
class ConfigOption:
    """An option of the command line that sets one or more fields of a configuration."""

    name: str
    """Name of the parameter, which is the option's unless ``flag`` has another."""
    help: str
    panel: str | None
    """Heading of ``--help`` that it stands under."""
    flag: str | None
    """Spelling on the command line, such as ``--width``; made from ``name`` by default."""
    kind: Kind
    """Type on the command line: the field's own, a path, or a size ``HxW``."""
    default: Any
    """Value that ``--help`` shows; None where ``derive`` or the fields' defaults say it."""
    metavar: str | None
    fields: tuple[str, ...]
    """Fields that it sets."""
    derive: Callable[[Mapping[str, Any]], Any] | None
    """Value of the field, from all options, where the option is not given."""
    parse: Callable[[Any], Any] | None
    """Value of the field, or values of the fields, from the option's."""


_OWN: Any = object()


def limited(default: Any, **limits: Any) -> Any:
    """A field without an option of its own; see `Limits`."""
    return field(default=default, metadata={"limits": Limits(**limits)})


def option(
    default: Any,
    help: str,
    *,
    panel: str | None = None,
    name: str = "",
    flag: str | None = None,
    kind: Kind = "field",
    shown: Any = _OWN,
    metavar: str | None = None,
    also: tuple[str, ...] = (),
    derive: Callable[[Mapping[str, Any]], Any] | None = None,
    parse: Callable[[Any], Any] | None = None,
    **limits: Any,
) -> Any:
    """A field with an option.

    Args:
        default: of the field.
        help: a full phrase for ``--help`` and the documentation.
        panel: see `ConfigOption`, as for the arguments without a line here.
        name: of the option, where it is not the field's.
        flag: see there.
        kind: see there.
        shown: default of the option, where it is not the field's.
        metavar: see there.
        also: further fields that the option sets.
        derive: see there.
        parse: see there.
        limits: see `Limits`.
    """
    if shown is _OWN:
        shown = None if derive or kind != "field" else default
    metadata = {
        "limits": Limits(**limits),
        "option": lambda own: ConfigOption(
            name or own, help, panel, flag, kind, shown, metavar, (own, *also), derive, parse
        ),
    }
    return field(default=default, metadata=metadata)


def _number(value: float) -> str:
    """A limit as it is read best: 2^63, not its 19 digits."""
    exponent = int(value).bit_length() - 1
    return f"2^{exponent}" if exponent > 30 and value == 1 << exponent else str(value)


def either(choices: Collection[Any]) -> str:
    """``a, b or c``."""
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def options_of(config: type) -> list[ConfigOption]:
    """The options of a configuration, in the order of its fields."""
    return [item.metadata["option"](item.name) for item in fields(config) if "option" in item.metadata]


def limits_of(item: Field[Any]) -> Limits:
    """The limits of a field; none unless it states some."""
    return item.metadata.get("limits", Limits())


def check_limits(config: Any, what: str) -> None:
    """Refuse a configuration with a field beyond its limits.

    Raises:
        LayoutRTError: names the field and what it takes.
    """
    for item in fields(config):
        limits = limits_of(item)
        if not limits.allow(getattr(config, item.name)):
            raise LayoutRTError(
                f"{what}: {item.name} = {getattr(config, item.name)} is out of range; it must be {limits}"
            )


def field_values(config: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the fields that the options in ``values`` set.

    Args:
        config: the configuration's class.
        values: by name of the option; those that do not set a field are passed over.

    Raises:
        LayoutRTError: a value that its option cannot parse.
    """
    result: dict[str, Any] = {}
    for each in options_of(config):
        if each.name not in values:
            continue
        value = values[each.name]
        if value is None:
            if each.derive:
                result[each.fields[0]] = each.derive(values)
            # Any other field keeps its default.
            continue
        if each.parse:
            value = each.parse(value)
        elif each.kind == "path":
            value = str(value)
        result |= dict(zip(each.fields, value if len(each.fields) > 1 else (value,), strict=True))
    return result
