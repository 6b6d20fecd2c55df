"""The recipes of CONTRIBUTING.md, followed to the letter on a copy of the sources.

``tests/recipes/NAME/`` holds what a contributor writes: new files at the places that they have in the tree,
and in ``edits.toml`` the lines that are added to files that exist.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PARTS = ("train", "export", "calib", "runtime")
"""Folders that install below ``layoutrt/`` and stand beside it in the sources."""

_SITECUSTOMIZE = """\
# The copy stands for the installed package: an editable installation finds the sources it was made of first.
import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if "ScikitBuild" not in type(finder).__name__]
"""


def required_files(heading: str, example: Mapping[str, str]) -> set[str]:
    """Files that a recipe asks for, as its steps name them.

    Args:
        heading: title of its section in CONTRIBUTING.md.
        example: parts of the paths of the recipe's example, and what stands for them in ours.
    """
    (section,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
    )
    steps = section.split("Where it is wanted:")[0]
    assert re.search(r"^1\. ", steps, re.MULTILINE)
    found = {path for path in re.findall(r"`((?:[\w-]+/)*[\w-]+\.\w+)`", steps) if _is_file(path)}
    for old, new in example.items():
        assert any(old in path for path in found), old
        found = {path.replace(old, new) for path in found}
    return found


def _is_file(path: str) -> bool:
    """True for a file of the sources, and not for an attribute such as ``layoutrt.errors.require``."""
    return (ROOT / path).is_file()


def source_files(files: set[str]) -> set[str]:
    """Those that are no tests and no documents."""
    return {path for path in files if path.split("/")[0] not in ("tests", "docs")}


class Sources(NamedTuple):
    """A copy of the sources to which a recipe was applied."""

    root: Path
    changed: set[str]
    """Files that were added or edited."""

    def run(self, *command: str | Path, library: Path | None = None) -> str:
        """Run a program whose Python imports the copy, and return what it prints."""
        environment = os.environ | {"PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
        if library is not None:
            environment["LAYOUTRT_LIBRARY"] = str(library)
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done.stdout


def follow(name: str, folder: Path) -> Sources:
    """Copy the sources and do what the recipe says.

    Args:
        name: of the folder in ``tests/recipes``.
        folder: an empty folder for the copy.
    """
    from layoutrt.native_library import operator_library

    ignored = shutil.ignore_patterns("__pycache__", "*.so", "corpus", "reference", "recipes")
    for part in ("layoutrt", "tests", *PARTS):
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for file in ("pyproject.toml", "CMakeLists.txt", "README.md", "CONTRIBUTING.md"):
        shutil.copy2(ROOT / file, folder / file)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("images"))
    for part in PARTS:
        (folder / "layoutrt" / part).symlink_to(folder / part)
    (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    (folder / "runtime" / "liblayoutrt.so").symlink_to(operator_library())

    given, changed = ROOT / "tests/recipes" / name, set()
    for file in sorted(given.rglob("*")):
        path = str(file.relative_to(given))
        if file.is_file() and file.name != "edits.toml" and "__pycache__" not in path:
            assert not (folder / path).exists(), f"{path} is there already"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, folder / path)
            changed.add(path)
    for edit in tomllib.loads((given / "edits.toml").read_text())["edit"]:
        text, anchor = (folder / edit["file"]).read_text(), edit.get("after", edit.get("before"))
        assert text.count(anchor) == 1, (edit["file"], anchor, text.count(anchor))
        both = anchor + edit["add"] if "after" in edit else edit["add"] + anchor
        (folder / edit["file"]).write_text(text.replace(anchor, both))
        changed.add(edit["file"])
    return Sources(folder, changed)
