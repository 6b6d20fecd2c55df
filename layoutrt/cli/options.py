"""Options that several commands have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layoutrt.errors import LayoutRTError

if TYPE_CHECKING:
    from rich.console import Console


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
        raise LayoutRTError(f"'{text}' is not a size; write height x width in pixels, such as 192x256")
    return Size((int(match[1]), int(match[2])))


def size_option(help_text: str, panel: str | None = None) -> Any:
    """An option that takes ``HxW``."""
    return typer.Option(parser=parse_size, metavar="HxW", help=help_text, rich_help_panel=panel)


Threads = Annotated[
    int | None, typer.Option(help="Number of threads of one run; one for each processor by default.")
]

Json = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="JSON file to write the result to; - prints it instead of tables."
    ),
]

MODEL_FORMS = "a shipped name, an ONNX file or an engine"
"""Model argument of commands that run exported models."""
CHECKPOINT_FORMS = "a shipped name, an ONNX file, an engine, a checkpoint or the folder of its run"
"""Model argument of commands that run checkpoints as well."""
LAYOUT_FORMS = (
    "drive:N, PNG files of class bytes or palette colors, a folder of them, or a data set or its split"
)
"""Data argument of commands that read layouts; see docs/commands.md."""


def report_console(json: Path | None, **settings: Any) -> Console:
    """A console for tables, which stays silent where JSON goes to standard output."""
    from rich.console import Console

    from layoutrt.files import STANDARD_OUTPUT

    return Console(markup=False, emoji=False, quiet=str(json) == STANDARD_OUTPUT, **settings)


def tell_written(console: Console, *paths: Path | None, label: str = "wrote") -> None:
    """Name the files that were written."""
    for path in paths:
        if path:
            console.print(f"{label} {path}", highlight=False, soft_wrap=True)


def is_given(context: typer.Context, name: str) -> bool:
    """True for an option that stands on the command line, rather than having its default."""
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
