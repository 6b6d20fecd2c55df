"""The one exception type of the project, and the one way to import an optional package."""

from __future__ import annotations

import importlib
from types import ModuleType


class LayoutRTError(Exception):
    """Something the user can put right.

    The message is one sentence that says what was wrong, with which file or argument, and what to do.
    The command line prints it and exits with status 1.
    """


def require(package: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional ``package``, or say which extra of layoutrt installs it.

    Args:
        package: import name, such as ``"torch"``.
        extra: the extra of this project that brings it, such as ``"train"``.
        purpose: feature that needs it, completing the sentence "… needs the package …".

    Raises:
        LayoutRTError: the package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise LayoutRTError(
            f"{purpose} needs the package '{error.name}', which is not installed; "
            f"install it with: pip install 'layoutrt[{extra}]'"
        ) from None
