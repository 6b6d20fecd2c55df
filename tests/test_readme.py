"""Every command and program in the README and the guides of the command line and Python runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer
from pairs_on_disk import write_pairs
from reference_case import Case, rule_state

from layoutrt.cli import app

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
    "--size 96x128 --load-size 192x256 --steps 2": "--size 96x128 --load-size 192x256 --steps 2 --width 16 --hidden 16 "
    "--discriminator-width 16 --decay-steps 0",
    "camvid-edge-int8 --layers": "camvid-edge-int8 --layers --iterations 10",
}
"""What is run less often here than a user would."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


QUICK = (
    "layoutrt synthesize camvid-edge drive:8",
    "layoutrt demo",
    "layoutrt estimate",
    "layoutrt info camvid-edge",
    "layoutrt doctor",
)
"""What needs no other command's files and takes a second."""


def commands(page: str) -> list[str]:
    """Every command line of a page, with less to do."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    for text, smaller in SMALLER.items():
        lines = [line.replace(text, smaller) for line in lines]
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the README's commands run: a small data set and a published checkpoint under its names."""
    folder = tmp_path_factory.mktemp("readme")
    write_pairs(folder / "camvid" / "train", 4, (192, 256))
    write_pairs(folder / "camvid" / "val", 2, (384, 512))
    case = Case("coco_vae")
    torch.save(rule_state(case.facts["generator_state"], case.facts["salt"]), folder / "latest_net_G.pth")
    return folder


@pytest.mark.slow
def test_commands_of_the_readme_run_one_after_the_other(folder) -> None:
    lines = commands()
    assert len(lines) >= 8
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for line in lines:
        result = subprocess.run(
            shlex.split(line), cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
    assert (folder / "published.safetensors").is_file()
    assert len(list((folder / "out" / "val").glob("*.png"))) == 2
    assert len(list((folder / "out" / "drive").glob("*.png"))) == 8
    assert (folder / "out" / "edge.jpg").is_file()
    assert (folder / "out" / "drive.mp4").stat().st_size > 1000


def test_every_command_of_the_readme_has_its_options() -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in commands():
        program, name, *arguments = shlex.split(line)
        assert program == "layoutrt"
        known[name].make_context(name, arguments)


@pytest.mark.parametrize("start", QUICK)
def test_quick_commands_of_the_readme_run(start, cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = [line for line in commands() if line.startswith(start)]
    assert chosen
    for line in chosen:
        outcome = cli(*shlex.split(line)[1:])
        assert outcome.code == 0, (line, outcome)


@pytest.mark.parametrize("program", blocks("python"))
def test_programs_of_the_readme_run(tmp_path, program) -> None:
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_files_the_readme_links_to_exist() -> None:
    root = Path(__file__).parents[1]
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    for link in links:
        assert (root / link).exists(), link
