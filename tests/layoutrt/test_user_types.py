"""Type checkers see the public names, in an installed wheel and in the sources."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PYRIGHT_VERSION = "1.1.414"

Checker = Callable[[Path, str], list[str]]

PROGRAM = """
import numpy as np
from numpy.typing import NDArray

import layoutrt
from layoutrt import Drive, LabelSet, LayoutRTError, Pipeline, Policy, Session, Synthesizer, label_set

camvid: LabelSet = label_set("camvid")


def render(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    with Synthesizer("camvid-edge", threads=1) as synthesizer:
        return synthesizer.render(labels)


def latencies(frames: list[NDArray[np.uint8]]) -> list[float]:
    with Session("camvid-seg") as segmenter, Session("camvid-edge") as generator:
        with Pipeline(segmenter, generator, policy=Policy.EVERY_FRAME) as pipeline:
            return [result.latency_ms for result in pipeline.run(frames)]


try:
    image: NDArray[np.uint8] = render(Drive(camvid, 192, 256, seed=7).frame(0))
except LayoutRTError as error:
    print(error)
version: str = layoutrt.__version__
"""

MISTAKES = {
    'layoutrt.Synthesizer(model=3, threads="two")': "threads",
    'layoutrt.label_set("camvid").num_clases': "num_clases",
    "layoutrt.Synthesizers": "Synthesizers",
    'layoutrt.Drive("camvid", 192, 256)': "LabelSet",
}
"""Lines that a checker refuses, and a word of what it says."""


def find_pyright() -> list[str]:
    """Pyright of this environment or of the path, or that of npm, which is kept in ``build/tools``."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if found := shutil.which("pyright", path=places):
        return [found]
    folder = ROOT / "build" / "tools" / f"pyright-{PYRIGHT_VERSION}"
    program = folder / "node_modules" / "pyright" / "index.js"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("neither pyright nor node with npm is installed")
    if not program.is_file():
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder)]
        done = subprocess.run([*command, f"pyright@{PYRIGHT_VERSION}"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"pyright {PYRIGHT_VERSION} cannot be installed: {done.stderr[-300:]}")
    return [node, str(program)]


def pyright(*arguments: object, cwd: Path) -> list[str]:
    """Messages of pyright, a line each: file name, line from 1, and sentence."""
    command = [*find_pyright(), "--outputjson", *(str(argument) for argument in arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] >= 1, report
    return [
        f"{Path(found['file']).name}:{found['range']['start']['line'] + 1} {found['message']}"
        for found in report["generalDiagnostics"]
    ]


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a virtual environment that has the wheel (without native code) and numpy."""
    folder = tmp_path_factory.mktemp("user")
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for command in (
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")],
        [*pip, "wheel", "--no-deps", "-C", "wheel.cmake=false", "--wheel-dir", str(folder), str(ROOT)],
        [*pip, "--python", str(python), "install", "--no-deps", "--find-links", str(folder), "layoutrt"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    assert (packages / "layoutrt" / "py.typed").is_file()
    assert (packages / "layoutrt" / "runtime" / "synthesizer.py").is_file()
    (packages / "numpy").symlink_to(Path(np.__file__).parent)
    (folder / "program.py").write_text(PROGRAM)
    lines = "".join(f"print({line})\n" for line in MISTAKES)
    (folder / "mistakes.py").write_text(f"import layoutrt\n{lines}")
    return folder


def mypy(user: Path, file: str) -> list[str]:
    """Messages of mypy in strict mode: file name, line from 1, and sentence."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache"]
    command += ["--hide-error-context", "--no-pretty", f"--python-executable={user}/venv/bin/python", file]
    done = subprocess.run(command, cwd=user, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line.replace(": error:", "") for line in done.stdout.splitlines() if ": error:" in line]


def strict_pyright(user: Path, file: str) -> list[str]:
    """Messages of pyright in strict mode."""
    (user / "pyrightconfig.json").write_text(json.dumps({"include": [file], "typeCheckingMode": "strict"}))
    return pyright("--pythonpath", user / "venv" / "bin" / "python", cwd=user)


CHECKERS = pytest.mark.parametrize("check", [mypy, strict_pyright])


@pytest.mark.slow
@CHECKERS
def test_a_program_that_uses_the_public_names_has_types(user: Path, check: Checker) -> None:
    assert check(user, "program.py") == []


@pytest.mark.slow
@CHECKERS
def test_a_mistake_in_a_use_of_the_public_names_is_found(user: Path, check: Checker) -> None:
    said = check(user, "mistakes.py")
    for number, word in enumerate(MISTAKES.values(), start=2):
        assert any(f"mistakes.py:{number}" in line and word in line for line in said), (word, said)


@pytest.mark.slow
def test_an_editor_finds_every_module_of_the_sources() -> None:
    """Checks the settings in pyproject.toml; files of each part that import the others."""
    files = [
        "runtime/synthesizer.py",
        "export/verification/verify.py",
        "calib/calibrate.py",
        "train/loop/run.py",
    ]
    lost = [line for line in pyright(*files, "layoutrt/cli/verify.py", cwd=ROOT) if '"layoutrt' in line]
    assert lost == []
