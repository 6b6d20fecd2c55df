"""TensorRT's Python package, and our operator library for it, ``liblayoutrt_trt.so``."""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layoutrt import __version__, native_library
from layoutrt.errors import LayoutRTError
from layoutrt.operators import plugin_names

NAME = "liblayoutrt_trt.so"
OLDEST = (10, 3)
"""Version of TensorRT that everything here is written for; JetPack 6 has it."""
_VERSION, _NAMESPACE = "1", "layoutrt"


@dataclass(frozen=True)
class OperatorLibrary:
    """Description that the library gives of itself.

    Attributes:
        path: path of the file.
        version: version of layoutrt.
        tensorrt_major: major version of TensorRT that it was built against.
        tensorrt: version that it was built against, such as ``"10.3.0"``.
    """

    path: Path
    version: str
    tensorrt_major: int
    tensorrt: str


def import_tensorrt(purpose: str) -> Any:
    """The package ``tensorrt``.

    Args:
        purpose: subject of the error sentence, completing "… needs TensorRT".

    Raises:
        LayoutRTError: it is not installed, older than `OLDEST`, or its libraries cannot be loaded.
    """
    try:
        trt = load_tensorrt()
    except ModuleNotFoundError as error:
        if error.name != "tensorrt":
            raise
        raise LayoutRTError(
            f"{purpose} needs TensorRT, whose Python package 'tensorrt' is not installed; install it with: "
            "pip install 'layoutrt[tensorrt]', on Jetson with: apt install python3-libnvinfer"
        ) from None
    except (ImportError, OSError) as error:
        raise LayoutRTError(
            f"{purpose} needs TensorRT, whose libraries cannot be loaded ({error}); see layoutrt doctor"
        ) from None
    if not is_recent(trt.__version__):
        raise LayoutRTError(
            f"{purpose} needs TensorRT {OLDEST[0]}.{OLDEST[1]} or newer (JetPack 6 or newer), and this is "
            f"{trt.__version__}; install a newer one"
        )
    return trt


def load_tensorrt() -> Any:
    """The package ``tensorrt`` of any version.

    Raises:
        ModuleNotFoundError: it is not installed; a folder of that name on the path is none.
        ImportError, OSError: its libraries cannot be loaded.
    """
    trt = importlib.import_module("tensorrt")
    if not hasattr(trt, "__version__"):
        raise ModuleNotFoundError("the folder 'tensorrt' is not the package", name="tensorrt")
    return trt


def is_recent(tensorrt: str) -> bool:
    """True if this version of TensorRT is `OLDEST` or newer."""
    return tuple(int(part) for part in tensorrt.split(".")[:2]) >= OLDEST


def operator_library() -> OperatorLibrary:
    """The library beside ``liblayoutrt.so``; ``LAYOUTRT_TRT_LIBRARY`` names another one.

    Raises:
        LayoutRTError: it does not exist, or is not such a library.
    """
    named = os.environ.get("LAYOUTRT_TRT_LIBRARY")
    if named:
        # The loader looks for a name without a folder elsewhere than here.
        path = Path(named).absolute()
        if not path.is_file():
            raise LayoutRTError(
                f"the operator library '{named}' that LAYOUTRT_TRT_LIBRARY names does not exist; "
                "correct the variable or unset it"
            )
    else:
        path = native_library.operator_library().with_name(NAME)
        if not path.is_file():
            raise LayoutRTError(
                f"the operator library {NAME} for TensorRT was not found in {path.parent}; install "
                "TensorRT's headers and CUDA and reinstall layoutrt, or name one with LAYOUTRT_TRT_LIBRARY"
            )
    return _read(path)


def _read(path: Path) -> OperatorLibrary:
    try:
        library = ctypes.CDLL(str(path))
        library.lrt_trt_version.restype = ctypes.c_char_p
        version = library.lrt_trt_version().decode()
        major, number = library.lrt_trt_tensorrt_major(), library.lrt_trt_tensorrt_version()
    except (OSError, AttributeError) as error:
        raise LayoutRTError(
            f"{path} is not an operator library of layoutrt ({error}); reinstall layoutrt, or correct "
            "LAYOUTRT_TRT_LIBRARY"
        ) from None
    # NV_TENSORRT_VERSION since TensorRT 10.
    return OperatorLibrary(path, version, major, f"{number // 10000}.{number // 100 % 100}.{number % 100}")


def check_fit(library: OperatorLibrary, tensorrt: str) -> None:
    """Refuse a library of another major TensorRT or another layoutrt.

    Raises:
        LayoutRTError: it does not fit.
    """
    if library.tensorrt_major != int(tensorrt.split(".")[0]):
        raise LayoutRTError(
            f"the operator library {library.path} was built for TensorRT {library.tensorrt_major} and this "
            f"is {tensorrt}; rebuild it against this TensorRT's headers by reinstalling layoutrt"
        )
    if library.version != __version__:
        raise LayoutRTError(
            f"the operator library {library.path} is of layoutrt {library.version} and this is "
            f"{__version__}; reinstall layoutrt with TensorRT's headers at hand"
        )


def load_operator_library(trt: Any) -> OperatorLibrary:
    """Register the plugins with this process's TensorRT. Allowed more than once.

    Args:
        trt: the module ``tensorrt``.

    Raises:
        LayoutRTError: the library does not exist, or does not fit this TensorRT or this layoutrt.
    """
    library = operator_library()
    check_fit(library, trt.__version__)
    _register(trt, library.path)
    return library


@functools.cache
def _register(trt: Any, path: Path) -> None:
    registry = trt.get_plugin_registry()
    # None also where the plugins are registered already, by another user of TensorRT in this process.
    registry.load_library(str(path))
    for name in plugin_names():
        if registry.get_creator(name, _VERSION, _NAMESPACE) is None:
            raise LayoutRTError(
                f"TensorRT {trt.__version__} found no plugin {name} in the operator library {path}; "
                "reinstall layoutrt with this TensorRT's headers at hand"
            )
