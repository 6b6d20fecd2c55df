"""The one way to import ``onnxruntime``: without its telemetry, and only where it is new enough."""

from __future__ import annotations

import importlib
import os
import re
from types import ModuleType

from layoutrt.errors import LayoutRTError

OLDEST = (1, 20)
"""Version of ONNX Runtime that layoutrt needs."""

_VARIABLE = "ORT_DISABLE_TELEMETRY"


def import_onnxruntime(name: str = "onnxruntime") -> ModuleType:
    """Import ``onnxruntime``, or one of its modules, with its telemetry switched off.

    The official builds from 1.32 on keep a device id and a queue of events in the user's folder and ask for
    the network. Who wants that sets ``ORT_DISABLE_TELEMETRY=0``; any value of the user's is kept.

    Args:
        name: name of the module.

    Raises:
        LayoutRTError: the package is not installed, or is too old.
    """
    # Looked at when the package is loaded; the call below alone would leave the first event.
    os.environ.setdefault(_VARIABLE, "1")
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise LayoutRTError(
            f"the package onnxruntime cannot be imported ({error}); install it with: pip install "
            "'onnxruntime>=1.20'"
        ) from None
    version = re.match(r"(\d+)\.(\d+)", onnxruntime.__version__)
    if version is not None and tuple(map(int, version.groups())) < OLDEST:
        raise LayoutRTError(
            f"onnxruntime {onnxruntime.__version__} is too old, layoutrt needs 1.20 or newer; install it "
            "with: pip install 'onnxruntime>=1.20'"
        )
    if os.environ[_VARIABLE] != "0":
        onnxruntime.disable_telemetry_events()
    return onnxruntime if name == "onnxruntime" else importlib.import_module(name)
