"""The native library ``liblayoutrt.so``: where it is, and how its functions are loaded."""

from __future__ import annotations

import ctypes
import importlib.resources
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from layoutrt.errors import LayoutRTError

NAME = "liblayoutrt.so"


def operator_library() -> Path:
    """Path of ``liblayoutrt.so``, which also serves ``SessionOptions.register_custom_ops_library``.

    The environment variable ``LAYOUTRT_LIBRARY`` names another one.

    Raises:
        LayoutRTError: the file does not exist.
    """
    override = os.environ.get("LAYOUTRT_LIBRARY")
    if override:
        if not Path(override).is_file():
            raise LayoutRTError(
                f"the native library '{override}' that LAYOUTRT_LIBRARY names does not exist; "
                "correct the variable or unset it"
            )
        return Path(override)
    # Not __file__: an editable installation keeps the library apart from the sources.
    library = Path(str(importlib.resources.files("layoutrt").joinpath("runtime", NAME)))
    if not library.is_file():
        raise LayoutRTError(
            f"the native library {NAME} was not found in {library.parent}; "
            "reinstall with: pip install layoutrt (needs a C++ compiler)"
        )
    return library


def load(signatures: Mapping[str, tuple[object, Sequence[object]]]) -> ctypes.CDLL:
    """The native library with the signatures of some functions set.

    Args:
        signatures: by function name, the ctypes type of the result and those of the arguments.

    Raises:
        LayoutRTError: the library is not there, or cannot be loaded, or lacks one of the functions.
    """
    path = operator_library()
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in signatures.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = list(arguments)
    except (OSError, AttributeError) as error:
        raise LayoutRTError(
            f"the native library {path} cannot be loaded ({error}); reinstall with: pip install layoutrt"
        ) from None
    return library
