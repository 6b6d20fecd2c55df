"""Programs of docs/c-api.md and of the README are compiled against the library and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layoutrt.models import resolve_model
from layoutrt.runtime.backends.native_bindings import operator_library

ROOT = Path(__file__).parents[1]
HEADERS = ROOT / "runtime/native/include"
PAGE = (ROOT / "docs/c-api.md").read_text()
README = (ROOT / "README.md").read_text()
COMPILERS = {"c": ("cc", "-std=c99"), "cpp": ("c++", "-std=c++17")}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


PROGRAMS = {
    re.match(r"(?:/\*|//) (\w+)\.", source)[1]: (language, source)  # type: ignore[index]
    for language in COMPILERS
    for source in blocks(PAGE, language)
} | {"readme": ("c", blocks(README, "c")[0])}

SAYS = {
    "render": r"",
    "describe": r"ONNX Runtime .*: 1 input, 1 output\nimage \[192,256,3\], [\d.]+ ms\n",
    "label_frame": r"label \d+, [\d.]+ ms, of which [\d.]+ copying\n",
    "video": "".join(rf"frame {i}, stamp {1000 + i}, [\d.]+ ms\n" for i in range(5)),
    "readme": r"the first pixel is \d+ \d+ \d+\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has the sources' models at their place, as the page's commands expect it."""
    folder = tmp_path_factory.mktemp("c-api")
    (folder / "layoutrt").symlink_to(ROOT / "layoutrt")
    return folder


def run_with_the_pages_runtime(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell after the page's commands for ONNX Runtime and the models."""
    (setup,) = blocks(PAGE, "sh")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("LAYOUTRT_ONNXRUNTIME", None)
    return subprocess.run(
        ["bash", "-e", "-c", f"{setup}\n{command}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_documents_compiles_without_warnings_and_runs(name: str, folder: Path) -> None:
    language, source = PROGRAMS[name]
    compiler, standard = COMPILERS[language]
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    library = Path(operator_library())
    (folder / f"{name}.{language}").write_text(source)
    strict = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
    linked = [f"-I{HEADERS}", str(library), f"-Wl,-rpath,{library.parent}"]
    done = subprocess.run(
        [compiler, standard, *strict, f"{name}.{language}", "-o", name, *linked],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    done = run_with_the_pages_runtime(f"./{name}", folder)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(SAYS[name], done.stdout), done.stdout
    if name == "render":
        assert (folder / "road.ppm").stat().st_size == 192 * 256 * 3 + len("P6 256 192 255\n")


def test_the_pages_commands_bring_the_models_as_files(folder: Path) -> None:
    done = run_with_the_pages_runtime("test -s camvid-seg.onnx", folder)
    assert done.returncode == 0
    assert (folder / "camvid-edge.onnx").read_bytes() == resolve_model("camvid-edge").read_bytes()


def declared(pattern: str) -> set[str]:
    headers = "".join(path.read_text() for path in (HEADERS / "layoutrt").glob("*.h"))
    return set(re.findall(pattern, headers))


def test_the_page_says_of_every_function_from_which_threads_it_is_called() -> None:
    table = PAGE.split("| functions | from several threads |")[1].split("\n\n")[0]
    assert set(re.findall(r"`(lrt_\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))) == (
        declared(r"LRT_EXPORT [\w* ]+?(lrt_\w+)\(")
    )


def test_the_page_explains_every_status() -> None:
    table = PAGE.split("| status | |")[1].split("\n\n")[0]
    statuses = next(iter(declared(r"(?s)typedef enum lrt_status LRT_ENUM_TYPE \{(.*?)\} lrt_status")))
    assert re.findall(r"^\| `(LRT_\w+)`", table, re.MULTILINE) == re.findall(r"(LRT_\w+) = ", statuses)


def test_the_page_lists_the_structs_that_may_grow() -> None:
    growing = {
        name
        for body, name in declared(r"(?s)typedef struct lrt_\w+ \{(.*?)\} (lrt_\w+);")
        if "size_t struct_size;" in body
    }
    (sentence,) = re.findall(r"^  These are (.*)$", PAGE, re.MULTILINE)
    assert set(re.findall(r"lrt_\w+", sentence)) == growing


def test_names_of_the_api_on_the_page_are_in_the_headers() -> None:
    headers = "".join(path.read_text() for path in (HEADERS / "layoutrt").iterdir())
    named = set(re.findall(r"\b(?:lrt|LRT)_\w+", PAGE)) - {"lrt_"}
    assert len(named) > 40
    assert {name for name in named if not re.search(rf"\b{name}\b", headers)} == set()
    for field in ("spinning", "affinity", "threads", "onnxruntime_path"):
        assert f"`{field}" in PAGE or f".{field}`" in PAGE
        assert re.search(rf"\b{field};", headers)
