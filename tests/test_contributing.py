"""Everything that the pages for contributors name exists, and their commands are commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PAGES = ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/decisions.md"]
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    named = re.findall(r"`((?:[\w-]+/)+[\w.-]*)`", text)
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert named or links
    lost = [
        path for path in named if path.split("/")[0] not in ("build", "camvid") if not (ROOT / path).exists()
    ]
    lost += [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert lost == []


def test_the_architecture_names_every_folder_of_the_sources() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    parts = ("layoutrt", "train", "export", "calib", "runtime")
    folders = [folder for part in parts for folder in (ROOT / part).iterdir() if any(folder.glob("*.*"))]
    named = [f"{folder.relative_to(ROOT)}/" for folder in folders if not folder.name.startswith("__")]
    assert len(named) > 20
    assert [folder for folder in named if f"`{folder}`" not in text] == []


def commands(page: str) -> list[str]:
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def test_the_way_of_a_frame_names_functions_of_the_files_that_it_goes_through() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    way = text.split("## One frame's way through the code")[1].split("\n## ")[0]
    paths = re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|cpp|h))`", way)
    assert len(paths) >= 12
    sources = "\n".join((ROOT / path).read_text() for path in paths)
    for name in re.findall(r"`lrt_\w+`", way):
        assert name.strip("`") in sources, name


def test_commands_for_contributors_are_targets_tests_and_hooks() -> None:
    lines = commands("CONTRIBUTING.md")
    assert len(lines) >= 5
    for line in lines:
        program, *arguments = line.split()
        if program == "make":
            command = ["make", "--dry-run", *arguments]
        elif program == ".venv/bin/python":
            command = [sys.executable, *arguments]
        else:
            assert line == "pre-commit install"
            continue
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_hooks_run_programs_of_the_environment_and_download_nothing() -> None:
    assert set(re.findall(r"repo: (\S+)", HOOKS)) == {"local"}
    assert set(re.findall(r"language: (\S+)", HOOKS)) == {"system"}
    entries = re.findall(r"entry: \.venv/bin/(.+)", HOOKS)
    assert len(entries) == HOOKS.count("- id:")
    lint = (ROOT / "Makefile").read_text()
    for entry in entries:
        program, *options = entry.split()
        assert f"$(BIN)/{program}" in lint
        found = Path(sys.executable).with_name(program)
        done = subprocess.run([found, *[o for o in options if o[0] != "-"], "--help"], capture_output=True)
        assert done.returncode == 0


def test_the_workflow_runs_all_checks_on_every_supported_python() -> None:
    assert re.search(r"^      - run: \.ci/run$", WORKFLOW, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    supported = [c.rpartition(" ")[2] for c in project["classifiers"] if re.search(r":: 3\.\d+$", c)]
    (matrix,) = re.findall(r"python: \[(.*)\]", WORKFLOW)
    assert [version.strip('" ') for version in matrix.split(",")] == supported
    assert project["requires-python"] == f">={supported[0]}"
    assert set(re.findall(r"processor: ([\w-]+),", WORKFLOW)) == {"x86-64", "aarch64"}
