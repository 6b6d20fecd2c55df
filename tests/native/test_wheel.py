"""One wheel serves every Python from 3.10 on."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path) -> str:
    words = [str(word) for word in command]
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(words, cwd=cwd, env=variables, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, (words, (done.stdout + done.stderr)[-4000:])
    return done.stdout


def find_python(version: str) -> str:
    """A Python of that version: this one, one on the path, or one of pyenv's."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    installed = [*pyenv.glob(f"{version}.*/bin/python{version}")]
    # Those of pyenv on the path may be stand-ins that refuse to run.
    for found in [*map(str, installed), shutil.which(f"python{version}")]:
        if found and subprocess.run([found, "-c", "import venv, ssl"], capture_output=True).returncode == 0:
            return found
    pytest.skip(f"Python {version} is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as ``pip wheel`` builds it: in the folder that ``make setup-dev`` has compiled in."""
    folder = tmp_path_factory.mktemp("wheel")
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / "wheel.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(*PIP, "wheel", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_is_of_no_one_python(wheel: Path) -> None:
    assert re.fullmatch(r"layoutrt-[\d.]+-py3-none-(many)?linux_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (meta,) = (name for name in names if name.endswith(".dist-info/WHEEL"))
        assert "Tag: py3-none-" in archive.read(meta).decode()
        assert "Root-Is-Purelib: false" in archive.read(meta).decode()
    assert "layoutrt/py.typed" in names
    libraries = [name for name in names if name.endswith(".so")]
    assert "layoutrt/runtime/liblayoutrt.so" in libraries
    assert not [name for name in libraries if "cpython" in name or "abi3" in name]


def test_the_library_uses_nothing_of_cpython(wheel: Path, tmp_path: Path) -> None:
    nm = shutil.which("nm") or pytest.skip("nm is not installed")
    with zipfile.ZipFile(wheel) as archive:
        library = archive.extract("layoutrt/runtime/liblayoutrt.so", tmp_path)
    undefined = run(nm, "-D", "--undefined-only", library, cwd=tmp_path)
    assert "memcpy" in undefined
    assert not re.search(r"\b_?Py[A-Z_]", undefined)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_renders_a_drive_in_a_fresh_environment(wheel: Path, version: str, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    run(find_python(version), "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    run(*PIP, "--python", python, "install", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    assert (
        run(python, "-c", "import sys; print(*sys.version_info[:2], sep='.')", cwd=tmp_path).strip()
        == version
    )
    run(python.with_name("layoutrt"), "demo", "--frames", 4, "--out", "out", cwd=tmp_path)
    assert (tmp_path / "out" / "drive.mp4").stat().st_size > 1000
    program = "from layoutrt import Session; print(Session('camvid-edge', threads=1).backend)"
    assert "operators, 1 thread" in run(python, "-c", program, cwd=tmp_path)
