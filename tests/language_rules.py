"""Rules of the project's English that ``make lint`` and the tests hold.

``python tests/language_rules.py [PATH ...]`` prints every place that breaks one, in these folders and files
or in the whole tree, and exits with 1 if there is any. Spelling is judged by codespell, whose dictionary
nobody here wrote.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".h",
    ".cpp",
    ".c",
    ".cu",
    ".cuh",
    ".js",
    ".html",
    ".css",
    ".cmake",
    ".yml",
    ".txt",
}
"""Suffixes of files that are read as text."""

OPENING = re.compile(r"(What|Whether|Of|How|Where|Which|Who|When|Since)\b")
"""Words no docstring begins with: it is a noun phrase or an imperative."""

IS_NO = re.compile(r"(?<!there )\bis no (?:[a-z]|$)")
"""Wording to replace by a plain sentence: "'x' is not a drive: use drive:, drive:N or drive:@SEED".
"There is no file" is one."""

BRITISH_VERB = re.compile(
    r"[A-Za-z]*(?:(?:[qQ]uant|[oO]ptim|[nN]ormal|[iI]nitial|[sS]erial|[vV]ectori?|[lL]inear|[rR]egular|[gG]eneral"
    r"|[mM]inim|[mM]axim|[pP]arallel|[sS]ynchron|[rR]andom|[bB]inar|[fF]inal|[uU]til|[sS]tandard|[pP]arametr)"
    r"is(?:e|ed|es|er|ers|ing|ation|ations|able))(?![A-Za-z])"
)
"""British forms of the field's own verbs, which codespell's dictionary lacks in part."""

CODESPELL = (
    "--builtin",
    "en-GB_to_en-US",
    "--regex",
    "[A-Z]?[a-z]+|[A-Z]+",
    "--ignore-words-list",
    "cancelled",
)
"""American spelling; names are split into their words, and "cancelled" is Python's own term."""


class Finding(NamedTuple):
    """One place that breaks a rule."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        path = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{path}:{self.line}: {self.message}"


def text_files(paths: Iterable[Path]) -> list[Path]:
    """Text files that git keeps or would keep in these folders and files."""
    found: list[Path] = []
    for path in paths:
        folder = path if path.is_dir() else path.parent
        command = [
            "git",
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
            "--",
            str(path.resolve()),
        ]
        listed = subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stdout
        found += [folder / name for name in listed.split("\0") if Path(name).suffix in TEXT]
    return sorted({path.resolve() for path in found if path.exists()})


def string_constant(node: ast.AST | None) -> ast.Constant | None:
    """The node if it is a string."""
    return node if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Docstrings of modules, classes and functions, and the strings that follow attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and (text := string_constant(node.value)):
            yield text


def option_helps(tree: ast.AST) -> Iterator[ast.Constant]:
    """Helps of typer's options and arguments."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("Option", "Argument"):
            helps = [string_constant(keyword.value) for keyword in node.keywords if keyword.arg == "help"]
            yield from (text for text in helps if text)


def wording(path: Path) -> Iterator[Finding]:
    """Docstrings, messages and helps of a Python file that break a rule."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for docstring in docstrings(tree):
        if opening := OPENING.match(str(docstring.value).lstrip()):
            yield Finding(
                path,
                docstring.lineno,
                f"docstring opens with '{opening[0]}', not a noun phrase or an imperative",
            )
    for node in ast.walk(tree):
        text = string_constant(node)
        if text and (found := IS_NO.search(str(text.value))):
            line = text.lineno + str(text.value)[: found.start()].count("\n")
            yield Finding(path, line, f"'{found[0]}…': say it in a plain sentence, as 'is not a …'")
    for option_help in option_helps(tree):
        if not str(option_help.value).rstrip().endswith("."):
            yield Finding(path, option_help.lineno, "help of an option does not end with a period")
        if str(option_help.value).startswith("Of "):
            yield Finding(path, option_help.lineno, "help of an option begins with 'Of': use a full phrase")


def british_verbs(path: Path) -> Iterator[Finding]:
    """British -ise forms of the field's verbs."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for found in BRITISH_VERB.finditer(line):
            yield Finding(path, number, f"'{found[0]}': spell it with z")


def spelling(paths: list[Path]) -> Iterator[Finding]:
    """British spellings that codespell finds."""
    if not paths:
        return
    command = [sys.executable, "-m", "codespell_lib", *CODESPELL, "--", *map(str, paths)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 65):  # 65: it found something
        raise RuntimeError(f"codespell failed: {run.stderr.strip()}")
    for line in run.stdout.splitlines():
        if match := re.fullmatch(r"(.+?):(\d+): (.+ ==> .+)", line):
            yield Finding(Path(match[1]), int(match[2]), match[3])


def findings(paths: Iterable[Path]) -> list[Finding]:
    """Every place that breaks a rule in these folders and files, the lists of the rules left out."""
    files = [path for path in text_files(paths) if path.name not in ("language_rules.py", "test_language.py")]
    wrong = list(spelling(files))
    for path in files:
        wrong += british_verbs(path)
        if path.suffix == ".py":
            wrong += wording(path)
    return sorted(wrong)


if __name__ == "__main__":
    found = findings([Path(path) for path in sys.argv[1:]] or [ROOT])
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
