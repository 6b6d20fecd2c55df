"""Options that several commands have."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from layoutrt.errors import LayoutRTError


class Size(tuple[int, int]):
    """Height and width in pixels, written ``HxW``."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"{self[0]}x{self[1]}"


def parse_size(text: str) -> Size:
    """Parse ``HxW``, such as ``192x256``.

    Raises:
        LayoutRTError: the text is of another form.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", str(text))
    if not match:
        raise LayoutRTError(f"'{text}' is no size; write height x width in pixels, such as 192x256")
    return Size((int(match[1]), int(match[2])))


def size_option(help_text: str, panel: str | None = None) -> Any:
    """An option that takes ``HxW``."""
    return typer.Option(parser=parse_size, metavar="HxW", help=help_text, rich_help_panel=panel)


Threads = Annotated[int | None, typer.Option(help="Threads of one run; one for each processor by default.")]

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, rather than having its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def torch_device(name: str) -> str:
    """``"cpu"`` or ``"cuda"``, as ``auto``, ``cpu`` or ``cuda`` says.

    Raises:
        LayoutRTError: another word, or a GPU that torch does not find.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise LayoutRTError(f"--device {name} is not known; choose auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise LayoutRTError("--device cuda, but torch finds no GPU; see layoutrt doctor, or use --device cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
