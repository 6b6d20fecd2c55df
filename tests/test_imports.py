"""Imports run one way through the house, and heavy packages stay out of the rooms that do not need them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FLOORS: dict[str, tuple[str, ...]] = {
    "layoutrt": (),
    "layoutrt.runtime": (),
    "layoutrt.train": (),
    "layoutrt.calib": ("layoutrt.runtime",),
    "layoutrt.export": ("layoutrt.train", "layoutrt.calib", "layoutrt.runtime"),
}
"""Other parts that each part may import, beside ``layoutrt`` itself, which all of them may."""

LAZY = ("layoutrt.cli", "layoutrt")
"""Modules that import any part, but only inside what needs it: the command line and the public names."""

CONFIGURATION = (
    "layoutrt.train.config.",
    "layoutrt.train.config_fields.",
    "layoutrt.train.segmenter.config.",
)
"""Modules that the options of training are made from; none of them is heavy."""

EAGER: dict[str, tuple[str, ...]] = {
    "layoutrt.cli.profile_output": ("layoutrt.runtime.profiling.",),  # imported by the command that needs it
    "layoutrt.cli.config_options": CONFIGURATION,
    "layoutrt.cli.option_table": CONFIGURATION,
    "layoutrt.cli.train": CONFIGURATION,
    "layoutrt.cli.train_segmenter": CONFIGURATION,
}
"""Modules of the command line that import from some places as soon as they are imported, and why."""


def sources() -> Iterator[tuple[str, Path]]:
    """Every module of the package by its name."""
    for part in FLOORS:
        folder = ROOT / part.removeprefix("layoutrt.")
        for path in sorted(folder.rglob("*.py")):
            inner = path.relative_to(folder).with_suffix("").parts
            yield ".".join([part, *(inner[:-1] if inner[-1] == "__init__" else inner)]), path


MODULES = dict(sources())


def part_of(module: str) -> str:
    """The part that a module belongs to: ``layoutrt.calib`` for ``layoutrt.calib.observe.table``."""
    part = ".".join(module.split(".")[:2])
    return part if part in FLOORS else "layoutrt"


def is_for_types(node: ast.AST) -> bool:
    """True if a statement is ``if TYPE_CHECKING:``, whose imports never run."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST, *, lazy: bool) -> Iterator[tuple[int, str]]:
    """Line and name of what a module imports; without ``lazy`` only what it does when it is imported."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            # ``from layoutrt import calib`` imports a part as well.
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            if lazy:
                yield from imports(node, lazy=True)
        elif is_for_types(node):
            yield from (pair for other in node.orelse for pair in imports(other, lazy=lazy))
        else:
            yield from imports(node, lazy=lazy)


def forbidden(module: str, tree: ast.AST) -> list[str]:
    """Imports of a module from parts that it must not know."""
    part = part_of(module)
    is_lazy = module in LAZY or module.startswith("layoutrt.cli.")
    allowed = {part, "layoutrt", *FLOORS[part]}
    return [
        f"line {line}: {module} imports {name}"
        for line, name in imports(tree, lazy=not is_lazy)
        if name.split(".")[0] == "layoutrt"
        and part_of(name) not in allowed
        and not (module in EAGER and name.startswith(EAGER[module]))
    ]


def test_there_are_modules_of_every_part() -> None:
    assert {part_of(module) for module in MODULES} == set(FLOORS)
    assert len(MODULES) > 250


@pytest.mark.parametrize("part", FLOORS)
def test_a_part_imports_only_those_below_it(part: str) -> None:
    wrong = [
        problem
        for module, path in MODULES.items()
        if part_of(module) == part
        for problem in forbidden(module, ast.parse(path.read_text()))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "line", "is_wrong"),
    [
        ("layoutrt.runtime.session", "from layoutrt.train.config import Config", True),
        ("layoutrt.runtime.session", "def f():\n    import layoutrt.export.verification.verify", True),
        (
            "layoutrt.runtime.session",
            "if TYPE_CHECKING:\n    import layoutrt.export.verification.verify",
            False,
        ),
        ("layoutrt.layouts.arrays", "from layoutrt import runtime", True),
        ("layoutrt.calib.observe.table", "from layoutrt.runtime import session", False),
        (
            "layoutrt.calib.observe.table",
            "try:\n    from layoutrt.export import verify\nfinally:\n    pass",
            True,
        ),
        ("layoutrt.cli.verify", "def verify():\n    import layoutrt.export.verification.verify", False),
        ("layoutrt.cli.verify", "import layoutrt.export.verification.verify", True),
    ],
)
def test_an_import_of_a_part_above_is_found(module: str, line: str, is_wrong: bool) -> None:
    assert bool(forbidden(module, ast.parse(line))) == is_wrong


OPTIONAL = (
    "torch",
    "onnxscript",
    "tensorboard",
    "triton",
    "fastapi",
    "uvicorn",
    "prometheus_client",
    "tensorrt",
    "pynvml",
)


@pytest.mark.parametrize("part", ["layoutrt", "layoutrt.runtime"])
def test_what_runs_on_a_device_imports_optional_packages_only_where_they_are_used(part: str) -> None:
    rooms = ("layoutrt.operators.", "layoutrt.runtime.studio.")  # torch's half of an operator; a web server
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for module, path in MODULES.items()
        if part_of(module) == part and not module.startswith(rooms)
        for line, name in imports(ast.parse(path.read_text()), lazy=False)
        if name.split(".")[0] in OPTIONAL
    ]
    assert not wrong, "\n".join(wrong)
