"""Commands of the documents that configure, compile or install something native, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.toolchains import ROOT

DOCUMENTS = ["README.md", "CONTRIBUTING.md", "train/README.md"]
DOCUMENTS += [*sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
COMMENTED = [
    str(path.relative_to(ROOT))
    for pattern in (
        "examples/*",
        "CMakeLists.txt",
        "runtime/native/**/CMakeLists.txt",
        "runtime/native/**/*.h*",
    )
    for path in sorted(ROOT.glob(pattern))
]
"""Sources whose comments may hold commands."""

NATIVE = re.compile(
    r"""(^|&&|;|\|)\s*(sudo\s+)?(\w+=\S+\s+)*   # where a command starts
    (\S*/)?(
      (cmake|ctest|g\+\+|gcc|cc|c\+\+|clang\+\+|nvcc|pkg-config)\s+\S
      | (python3?\s+-m\s+)?pip\s.*\s'?\.(\[\S+)?(\s|$)   # of the sources in this folder
    )""",
    re.VERBOSE,
)


class Block(NamedTuple):
    """Commands that stand together: a fenced block, a span in the text, or a comment."""

    document: str
    commands: tuple[str, ...]

    @property
    def is_native(self) -> bool:
        return any(NATIVE.search(command) for command in self.commands)

    @property
    def script(self) -> str:
        return "\n".join(self.commands) + "\n"


def blocks_of(document: str) -> Iterator[Block]:
    """All code in a Markdown file, and in other files the indented lines of comments."""
    text = (ROOT / document).read_text()
    if document.endswith(".md"):
        for content in re.findall(r"^```(?:\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield Block(document, tuple(content.replace("\\\n", "").splitlines()))
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose):
            yield Block(document, (" ".join(span.split()),))
    else:
        for line in re.findall(r"^\s*(?:#|//|\*|/\*)\s*(.*)$", text, re.MULTILINE):
            yield Block(document, (line.strip(),))


def native_blocks() -> list[Block]:
    """Every block that `NATIVE` finds in the documents and comments."""
    return [block for name in [*DOCUMENTS, *COMMENTED] for block in blocks_of(name) if block.is_native]
