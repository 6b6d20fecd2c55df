"""Every command and program in the README and the guides of the command line and Python runs."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import torch
import typer

from layoutrt.cli import app
from tests.support.pairs_on_disk import write_pairs
from tests.support.reference_case import Case, rule_state

ROOT = Path(__file__).parents[1]
PAGES = {name: (ROOT / name).read_text() for name in ("README.md", "docs/guide.md", "docs/python.md")}
CHAINS = ("README.md", "docs/guide.md")
"""Pages whose commands run one after the other, on files that those before made."""

SMALLER = {
    "--steps 3100": "--steps 2",
    "--steps 1500 --decay-steps 900": "--steps 1 --decay-steps 0",
    "--steps 4000": "--steps 1 --batch 2",
    "--frames 240": "--frames 8",
    "--data drive:40": "--data drive:2",
    "camvid-edge-int8 --layers": "camvid-edge-int8 --layers --iterations 10",
}
"""Options that are run less often here than a user would."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


QUICK = (
    "layoutrt synthesize camvid-edge drive:8",
    "layoutrt demo",
    "layoutrt estimate",
    "layoutrt info camvid-edge",
    "layoutrt doctor",
)
"""Commands that need no other command's files and take a second."""


def commands(page: str) -> list[str]:
    """Every command line of a page, with less to do."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    for text, smaller in SMALLER.items():
        lines = [line.replace(text, smaller) for line in lines]
    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder for a page's commands: a small data set and a published checkpoint under its names."""
    write_pairs(tmp_path / "camvid" / "train", 4, (192, 256))
    write_pairs(tmp_path / "camvid" / "val", 2, (384, 512))
    case = Case("coco_vae")
    torch.save(rule_state(case.facts["generator_state"], case.facts["salt"]), tmp_path / "latest_net_G.pth")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", CHAINS)
def test_commands_of_a_page_run_one_after_the_other(page: str, folder: Path) -> None:
    lines = commands(page)
    assert len(lines) >= 8
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in lines:
        result = subprocess.run(
            shlex.split(line), cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    assert (folder / "out" / "drive.mp4").stat().st_size > 1000
    assert len(list((folder / "out" / "int8").glob("*.png"))) == 4
    if page == "docs/guide.md":
        assert (folder / "published.safetensors").is_file()
        assert len(list((folder / "out" / "val").glob("*.png"))) == 2
        assert len(list((folder / "out" / "drive").glob("*.png"))) == 8
        assert (folder / "out" / "edge.jpg").is_file()


@pytest.mark.parametrize("page", CHAINS)
def test_every_command_of_a_page_has_its_options(page: str) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in commands(page):
        program, name, *arguments = shlex.split(line)
        assert program == "layoutrt"
        known[name].make_context(name, arguments)


@pytest.mark.parametrize("start", QUICK)
def test_quick_commands_run(
    start: str, cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = {line for page in CHAINS for line in commands(page) if line.startswith(start)}
    assert chosen
    for line in sorted(chosen):
        outcome = cli(*shlex.split(line)[1:])
        assert outcome.code == 0, (line, outcome)


@pytest.mark.parametrize(
    ("page", "program"),
    [
        pytest.param(page, program, id=f"{page} {number}")
        for page in PAGES
        for number, program in enumerate(blocks(page, "python"))
    ],
)
def test_programs_in_python_run(tmp_path: Path, page: str, program: str) -> None:
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    if page == "README.md":
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"frame{i}.png" for i in range(4)]
    for line in re.findall(r"print\(error\)  # (.*)", program):
        assert line in result.stdout


def test_the_readme_is_short_and_has_programs_in_both_languages() -> None:
    assert PAGES["README.md"].count("\n") <= 200
    for language in ("python", "c"):
        (program,) = blocks("README.md", language)
        assert program.count("\n") <= 18


DOCUMENTS = [
    "README.md",
    "train/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]


def test_every_command_in_a_block_of_the_documents_has_its_options() -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    found = 0
    for page in DOCUMENTS:
        text = (ROOT / page).read_text()
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                if not re.match(r"layoutrt [a-z]", line):
                    continue
                _, name, *arguments = shlex.split(line, comments=True)
                assert name in known, (page, line)
                try:
                    known[name].make_context(name, arguments)
                except click.ClickException as error:
                    pytest.fail(f"{page}: {line}: {error.format_message()}")
                found += 1
    assert found > 60


@pytest.mark.parametrize("page", DOCUMENTS)
def test_files_and_sections_that_a_page_links_to_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    for link in links:
        name, _, section = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        if section:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert section in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
