"""A process that has the real bindings of one TensorRT and runs tests on request, one JSON line each.

    python worker.py BINDINGS STUBS

BINDINGS holds ``tensorrt_bindings``, STUBS the libraries that they are linked with (see conftest.py).
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_ORDER = ("nvinfer", "nvinfer_plugin", "nvonnxparser")


def main(bindings: Path, stubs: Path) -> None:
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    trt = load_bindings(bindings, stubs)
    modules: dict[str, Any] = {}
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"failure": _run(trt, stubs, modules, **request)}
        print(json.dumps(answer), file=channel, flush=True)


def load_bindings(bindings: Path, stubs: Path) -> Any:
    """The module ``tensorrt_bindings``."""
    for name in _ORDER:
        (library,) = stubs.glob(f"lib{name}.so.*")
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    sys.path[:0] = [str(bindings), str(_ROOT)]
    return importlib.import_module("tensorrt_bindings")


def _run(
    trt: Any,
    stubs: Path,
    modules: dict[str, Any],
    file: str,
    function: str,
    folder: str,
    arguments: dict[str, Any],
) -> str | None:
    """Run a test in a world of its own; its traceback where it fails."""
    from tests.support.tensorrt_doubles.world import World

    try:
        if file not in modules:
            modules[file] = _load(Path(file))
        given = {name: _value(value) for name, value in arguments.items()}
        world = World(trt, Path(folder), stubs / "liblayoutrt_trt.so")
        if "world" in given:
            given["world"] = world
        with world.entered():
            getattr(modules[file], function)(**given)
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return "".join(traceback.format_exception(error))
    return None


def _value(value: Any) -> Any:
    is_path = isinstance(value, dict) and list(value) == ["path of a test"]
    return Path(value["path of a test"]) if is_path else value


def _load(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"worker_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
