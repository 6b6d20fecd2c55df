"""Docstrings, messages and helps are plain American English."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests import language_rules as language


def messages(folder: Path, name: str, text: str) -> list[str]:
    (folder / name).write_text(text, encoding="utf-8")
    return [
        found.message for found in [*language.british_verbs(folder / name), *language.wording(folder / name)]
    ]


def test_the_whole_tree_keeps_the_rules() -> None:
    if importlib.util.find_spec("codespell_lib") is None:
        pytest.skip("codespell is not installed")
    found = language.findings([language.ROOT])
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"""What it is."""\n', "docstring opens with 'What'"),
        ('class A:\n    x: int\n    """Of the frames."""\n', "docstring opens with 'Of'"),
        ('def f():\n    """Whether it is."""\n', "docstring opens with 'Whether'"),
        ('raise ValueError(f"{1} is no drive")\n', "'is no d…'"),
        ('raise ValueError(f"{1} is no {2}")\n', "'is no …'"),
        ('typer.Option(help="Of the frames.")\n', "help of an option begins with 'Of'"),
        ('typer.Option(help="Frames")\n', "help of an option does not end with a period"),
        ("quantised = 1\n", "'quantised': spell it with z"),
    ],
)
def test_each_rule_finds_what_breaks_it(tmp_path: Path, text: str, message: str) -> None:
    assert any(found.startswith(message) for found in messages(tmp_path, "module.py", text))


def test_plain_sentences_pass(tmp_path: Path) -> None:
    text = '"""Output; whatever it is."""\nraise ValueError("\'x\' is not a drive")\nprecise = "optimized"\n'
    assert messages(tmp_path, "module.py", text) == []


def test_spelling_is_read_inside_of_names(tmp_path: Path) -> None:
    pytest.importorskip("codespell_lib")
    path = tmp_path / "module.py"
    path.write_text("def colour_of(greyValue, cancelled): ...\n", encoding="utf-8")
    assert [found.message for found in language.spelling([path])] == ["colour ==> color", "grey ==> gray"]
