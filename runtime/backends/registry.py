"""Backends written in Python, by the suffix of the files that they run.

A new one is two files: its class, with what `layoutrt.runtime.backends.base.LoadedModel` asks for, and its
entry in `PYTHON_BACKENDS`. Every other file runs in the native library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from layoutrt.runtime.backends.base import LoadedModel
from layoutrt.runtime.backends.native import opens_engines


@dataclass(frozen=True)
class PythonBackend:
    """One backend.

    Attributes:
        suffix: of the files that it runs, such as ``".engine"``.
        model: ``module:class`` of its `LoadedModel`, which is called with the path of a file. It is imported
            when a file of this suffix is opened, so that its packages are needed only then.
        native: says whether the native library of this installation runs such files itself, which is then
            preferred.
    """

    suffix: str
    model: str
    native: Callable[[], bool] = lambda: False

    def open(self, path: Path) -> LoadedModel:
        """Load a file.

        Raises:
            LayoutRTError: a package is not installed, or the file cannot be loaded.
        """
        module, _, name = self.model.partition(":")
        loaded: LoadedModel = getattr(importlib.import_module(module), name)(path)
        return loaded


PYTHON_BACKENDS = (
    PythonBackend(".engine", "layoutrt.runtime.backends.trt.model:TensorRTModel", native=opens_engines),
)
"""Every backend written in Python; `layoutrt.runtime.session.Session` reads this."""


def python_backend(path: Path) -> PythonBackend | None:
    """The backend that runs a file, by its suffix; None for the native library."""
    for backend in PYTHON_BACKENDS:
        if path.suffix == backend.suffix and not backend.native():
            return backend
    return None
