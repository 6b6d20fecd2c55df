"""Signatures read from pybind11's docstrings: a function's arguments, their types, and what it returns."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

_OTHER_NAMES = {"IParserError": "ParserError"}
"""Classes that docstrings call by their C++ names."""


class Misuse(TypeError):
    """Our code, or a double's answer, does not keep to the real signature."""


@dataclass(frozen=True)
class Signature:
    """One overload."""

    parameters: inspect.Signature
    types: dict[str, str]
    returns: str


def signatures(document: str | None, name: str) -> list[Signature]:
    """The overloads in a docstring; ``name`` is empty for those of properties."""
    lines = re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> (.+)$", document or "", re.MULTILINE)
    found = [
        _signature(arguments, returns.strip()) for arguments, returns in lines if "*args" not in arguments
    ]
    if not found:
        raise Misuse(f"no signature of '{name}' in {document!r}")
    return found


def _signature(arguments: str, returns: str) -> Signature:
    parameters, types = [], {}
    for text in _split(arguments):
        declared, _, default = text.partition(" = ")
        name, _, kind = declared.partition(": ")
        if name == "/":
            continue
        types[name] = kind
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=default or inspect.Parameter.empty,
            )
        )
    # The object itself is the first, whatever it is called.
    return Signature(inspect.Signature(parameters), types, returns)


def _split(text: str) -> list[str]:
    """At commas outside of brackets and quotes."""
    parts, depth, start, quoted = [], 0, 0, False
    for place, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter in "([<{":
            depth += 1
        elif not quoted and letter in ")]>}":
            depth -= 1
        elif letter == "," and depth == 0 and not quoted:
            parts.append(text[start:place].strip())
            start = place + 1
    return [part for part in (*parts, text[start:].strip()) if part]


def check_call(
    trt: Any, what: str, overloads: list[Signature], arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> Signature:
    """The overload that takes these arguments, ``self`` among them.

    Raises:
        Misuse: none does.
    """
    reasons = []
    for overload in overloads:
        try:
            bound = overload.parameters.bind(*arguments, **keywords)
        except TypeError as error:
            reasons.append(str(error))
            continue
        wrong = [
            f"{name} must be {overload.types[name]}, got {value!r}"
            for name, value in list(bound.arguments.items())[1:]
            if not accepts(trt, overload.types[name], value)
        ]
        if not wrong:
            return overload
        reasons += wrong
    raise Misuse(f"{what} of TensorRT {trt.__version__}: {'; '.join(reasons)}")


def accepts(trt: Any, kind: str, value: Any) -> bool:
    """True if pybind11 passes ``value`` where a docstring says ``kind``; stricter with numbers and enums."""
    kind = kind.split(" | ")[0].strip()
    listed = re.fullmatch(r"(?:typing\.|collections\.abc\.)?(?:List|list|Sequence)\[(.+)\]", kind)
    if listed:
        return isinstance(value, (list, tuple)) and all(accepts(trt, listed[1], part) for part in value)
    plain = kind.rpartition("::")[2].rpartition(".")[2] if "[" not in kind else kind
    if plain in ("int", "SupportsInt"):
        return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if plain in ("float", "SupportsFloat"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if plain in ("bool", "str", "tuple", "list"):
        return isinstance(value, {"bool": bool, "str": str, "tuple": tuple, "list": list}[plain])
    if plain in ("buffer", "Buffer"):
        return _is_buffer(value)
    if plain in ("object", "capsule", "CapsuleType", "str_attr>"):
        return True
    if plain == "None":
        return value is None
    name = _OTHER_NAMES.get(plain, plain)
    # A nested enum such as ILogger.Severity.
    real = getattr(trt, name, None) or getattr(trt.ILogger, name, None)
    if not isinstance(real, type):
        raise Misuse(f"the doubles cannot check the type '{kind}'")
    if real is trt.IHostMemory:
        # Of `host_memory`: no class of Python's own can give such a buffer.
        return isinstance(value, memoryview)
    if real is trt.Dims and isinstance(value, (tuple, list)):
        return all(isinstance(part, (int, np.integer)) for part in value)
    stands_for = getattr(type(value), "stands_for", None)
    return isinstance(value, real) or (stands_for is not None and issubclass(stands_for(value), real))


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value)
    except TypeError:
        return False
    return True
