"""C++ stubs of TensorRT's implementation interfaces, made from the headers of one version.

Classes such as ``ICudaEngine`` pass every call on to a virtual class of ``NvInferImpl.h`` (``VCudaEngine``).
The stub of each overrides every pure virtual function of the header with one that names itself and aborts, so
that a double overrides only what the code under test is to call, with the header's own signature or not at
all.

    python stubs.py INCLUDE_FOLDER STUBS.H
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

IMPLEMENTATIONS = ("VRuntime", "VCudaEngine", "VExecutionContext", "VDimensionExpr", "VExprBuilder")
"""Classes of ``NvInferImpl.h``."""

_ATTRIBUTES = r"\b(TRT_NODISCARD|TRT_DEPRECATED|TRT_DEPRECATED_API|TRTNOEXCEPT)\b"

_HEAD = """// Made by stubs.py from TensorRT's headers; do not edit.
#pragma once

#include <NvInferRuntime.h>

#include <cstdio>
#include <cstdlib>

namespace stubs {

using namespace nvinfer1;

[[noreturn]] inline void unexpected(const char* function) {
  std::fprintf(stderr, "the double has no %s\\n", function);
  std::abort();
}
"""


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def class_body(text: str, name: str) -> str:
    """The text between the braces of a class."""
    found = re.search(rf"class (?:TRT_\w+ )?{name}\b[^;{{]*\{{", text)
    if found is None:
        raise ValueError(f"the headers have no class {name}")
    depth, at = 1, found.end()
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return text[found.end() : at - 1]


def pure_functions(body: str) -> list[tuple[str, str]]:
    """Name and declaration, without ``virtual`` and ``= 0``, of every pure virtual function."""
    found = []
    for statement in re.split(r"[;{}]|\bpublic:|\bprotected:", body):
        declaration = " ".join(re.sub(_ATTRIBUTES, "", statement).split())
        match = re.fullmatch(r"virtual (.*) = 0", declaration)
        if match and "~" not in match[1]:
            name = re.search(r"(\w+)\(", match[1])
            assert name is not None, declaration
            found.append((name[1], match[1]))
    return found


def stub(text: str, name: str, scope: str) -> str:
    functions = pure_functions(class_body(text, name))
    if not functions:
        raise ValueError(f"the class {name} has no pure virtual functions")
    lines = [f"\nclass {name} : public {scope}{name} {{", " public:"]
    for function, declaration in functions:
        lines.append(f'  {declaration} override {{ unexpected("{name}::{function}"); }}')
    return "\n".join([*lines, "};", ""])


def main(include: Path, target: Path) -> None:
    implementation = without_comments((include / "NvInferImpl.h").read_text())
    common = without_comments((include / "NvInferRuntimeCommon.h").read_text())
    parts = [stub(implementation, name, "nvinfer1::apiv::") for name in IMPLEMENTATIONS]
    parts.append(stub(common, "IPluginRegistry", "nvinfer1::"))
    target.write_text("".join([_HEAD, *parts, "\n}  // namespace stubs\n"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
