"""The device guides and Dockerfiles name commands, options, extras, files and sentences that there are."""

from __future__ import annotations

import ast
import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from layoutrt.cli import app

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
GUIDES = ("docs/jetson.md", "docs/rtx.md")
DOCKERFILES = ("docker/Dockerfile.jetson", "docker/Dockerfile.rtx")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INSTRUCTIONS = {"FROM", "ARG", "ENV", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}


def text(path: str) -> str:
    return (ROOT / path).read_text()


def code_lines(guide: str) -> list[str]:
    """Lines of all code blocks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text(guide), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def layoutrt_commands(line: str) -> Iterator[list[str]]:
    """Arguments that a line passes to layoutrt: at its start, in ExecStart or after the name of our image."""
    words = shlex.split(line)
    if words and words[0].startswith("ExecStart="):
        words[0] = words[0].removeprefix("ExecStart=")
    if words and "=" not in words[0] and Path(words[0]).name == "layoutrt":
        yield words[1:]
    for place, word in enumerate(words):
        if words[0] == "docker" and words[1] == "run" and re.fullmatch(r"layoutrt:\w+", word):
            yield words[place + 1 :]


COMMANDS = [
    (guide, command) for guide in GUIDES for line in code_lines(guide) for command in layoutrt_commands(line)
]


@functools.cache
def all_commands() -> dict[str, Any]:
    """Commands of the command line, by name."""
    return typer.main.get_command(app).commands  # type: ignore[attr-defined]


def parse(command: list[str]) -> None:
    """Parse as the command line would, without running anything."""
    name, *arguments = command
    commands = all_commands()
    assert name in commands, name
    commands[name].make_context(name, arguments)


@pytest.mark.parametrize(("guide", "command"), COMMANDS, ids=[" ".join(c[:3]) for _, c in COMMANDS])
def test_every_command_line_of_the_guides_is_one_of_ours(guide, command) -> None:
    parse(command)


def test_a_command_line_with_a_wrong_option_would_be_found() -> None:
    assert len(COMMANDS) > 20
    parse(["doctor"])
    with pytest.raises(Exception, match="--modell"):
        parse(["demo", "--modell", "street.engine"])


@pytest.mark.parametrize("path", [*GUIDES, *DOCKERFILES])
def test_pip_lines_name_extras_and_settings_that_exist(path) -> None:
    content = re.sub(r"\\\n\s*", "", text(path))
    cmake = text("runtime/native/cmake/gpu.cmake") + "CMAKE_CUDA_ARCHITECTURES"
    lines = [line for line in content.splitlines() if re.search(r"pip (install|wheel)", line)]
    assert lines
    for line in lines:
        for extras in re.findall(r"(?:'\.|layoutrt|\*\.whl\)\"?)\[([\w,]+)\]", line):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
        for name in re.findall(r"cmake\.define\.(\w+)", line):
            assert name in cmake, name


@pytest.mark.parametrize("guide", GUIDES)
def test_links_variables_and_make_targets_of_the_guides_exist(guide) -> None:
    content = text(guide)
    for link in re.findall(r"\]\(([^)#]+)\)", content):
        if not link.startswith("http"):
            assert (ROOT / "docs" / link).exists(), link
    sources = "\n".join(source.read_text() for source in native_sources()) + "\n".join(sentences())
    for variable in set(re.findall(r"\bLAYOUTRT_[A-Z_]+", content)):
        assert variable in sources, variable
    makefile = text("Makefile")
    for target in re.findall(r"^make ([\w-]+)$", content, re.MULTILINE):
        assert f"\n{target}:" in makefile, target


def native_sources() -> list[Path]:
    return [p for p in (ROOT / "runtime/native").rglob("*") if p.suffix in {".cpp", ".h", ".cmake"}]


@functools.cache
def sentences() -> tuple[str, ...]:
    """All text that the Python sources hold; what is filled in is an ellipsis."""
    return tuple(_sentences())


def _sentences() -> Iterator[str]:
    for folder in ("layoutrt", "runtime", "export", "calib", "train", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.JoinedStr):
                    parts = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
                    yield "".join(map(str, parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.mark.parametrize("guide", GUIDES)
def test_the_sentences_to_look_up_are_said_by_the_tools(guide) -> None:
    table = text(guide).split("| it says | what to do |")[1]
    quoted = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(quoted) >= 10
    said = sentences()
    raw = [source.read_text() for source in native_sources()]
    for sentence in quoted:
        pattern = re.compile(".*".join(re.escape(part) for part in sentence.split("…")))
        assert any(pattern.search(candidate) for candidate in [*said, *raw]), sentence


class Instruction(NamedTuple):
    name: str
    arguments: str


def instructions(dockerfile: str) -> list[Instruction]:
    content = re.sub(r"^\s*#.*\n", "", text(dockerfile), flags=re.MULTILINE)
    content = re.sub(r"\\\n\s*", "", content)
    lines = [line for line in content.splitlines() if line.strip()]
    return [Instruction(*line.split(maxsplit=1)) for line in lines]


def stages(dockerfile: str) -> dict[str, list[Instruction]]:
    """Instructions of each stage, by its name."""
    found: dict[str, list[Instruction]] = {"": []}
    current = ""
    for instruction in instructions(dockerfile):
        if instruction.name == "FROM":
            match = re.fullmatch(r"(\S+) AS (\w+)", instruction.arguments)
            assert match, instruction
            current = match[2]
            assert current not in found
            found[current] = []
        found[current].append(instruction)
    return found


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_a_dockerfile_builds_a_wheel_and_runs_it_as_another_user(dockerfile) -> None:
    found = stages(dockerfile)
    assert {i.name for stage in found.values() for i in stage} <= INSTRUCTIONS
    assert all(i.name == "ARG" for i in found.pop(""))
    assert next(iter(found)) == "wheel"
    assert list(found)[-1] == "runtime"
    for name, stage in found.items():
        base = stage[0].arguments.split()[0]
        assert re.fullmatch(r"(nvidia/cuda|nvcr\.io/nvidia/[\w-]+):\$\{\w+\}[\w.${}-]*", base), base
        if name == "wheel":
            continue
        by_name = {i.name: i.arguments for i in stage}
        assert by_name["USER"] == "layoutrt"
        assert "useradd" in by_name["RUN"]
        assert by_name["ENTRYPOINT"] == '["layoutrt"]'
        parse(ast.literal_eval(by_name["CMD"]))
        # Nothing may be changed by the user that it runs as.
        assert [i.name for i in stage].index("USER") > max(
            place for place, i in enumerate(stage) if i.name in {"RUN", "COPY"}
        )


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_a_dockerfile_copies_what_there_is_and_the_build_needs(dockerfile) -> None:
    ignored = text(".dockerignore").split()
    copied = set()
    names = list(stages(dockerfile))
    for stage in stages(dockerfile).values():
        for instruction in stage:
            if instruction.name != "COPY":
                continue
            words = instruction.arguments.split()
            if words[0].startswith("--from="):
                assert words[0].removeprefix("--from=") in names
                continue
            for source in words[:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in ignored, f"{source} is kept out by .dockerignore"
                copied.add(source)
    packages = tomllib.loads(text("pyproject.toml"))["tool"]["scikit-build"]["wheel"]["packages"]
    assert copied == {*packages.values(), "pyproject.toml", "CMakeLists.txt", PROJECT["readme"], "LICENSE"}


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_a_dockerfile_declares_its_arguments_and_holds_no_secrets(dockerfile) -> None:
    found = stages(dockerfile)
    for name, stage in found.items():
        declared = {i.arguments.split("=")[0] for i in stage if i.name == "ARG"}
        whole = {i.arguments.split("=")[0] for i in found[""] if i.name == "ARG"}
        environment = {"PATH"}
        for instruction in stage:
            used = set(re.findall(r"\$\{(\w+)\}", instruction.arguments))
            known = whole if instruction.name == "FROM" else declared | environment
            assert used <= known, (name, instruction)
    assert not re.search(r"(?i)password|token|secret|api_?key", text(dockerfile))


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_a_dockerfile_runs_is_a_command_of_the_shell(dockerfile) -> None:
    lines = [i.arguments for i in instructions(dockerfile) if i.name == "RUN"]
    assert lines
    for line in lines:
        done = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [*GUIDES, *DOCKERFILES])
def test_a_container_on_jetson_is_given_the_group_of_the_gpus_devices(path) -> None:
    """Its user is not root, and JetPack 6 opens them to `video` and `render` alone."""
    lines = [line for line in text(path).splitlines() if "docker run" in line and "--runtime nvidia" in line]
    assert bool(lines) == ("jetson" in path)
    for line in lines:
        assert "--group-add" in line
        assert "getent group render" in line


def test_the_docker_lines_of_the_guides_name_files_and_stages() -> None:
    for guide in GUIDES:
        lines = [shlex.split(line) for line in code_lines(guide) if line.startswith("docker build")]
        assert lines
        for words in lines:
            assert words[words.index("--file") + 1] in DOCKERFILES
            assert words[-1] == "."
    assert "tools" in stages(DOCKERFILES[0])
