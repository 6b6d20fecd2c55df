"""Semantic layouts to images in real time on edge devices.

The names below are the public API. Each is imported when it is first used, so ``import layoutrt`` costs next
to nothing, and none of them needs torch or a GPU:

- `Synthesizer` renders layouts with a generator: a shipped model, an ONNX file or a TensorRT engine.
- `Session` runs any exported model on arrays.
- `Pipeline` segments and synthesizes the frames of a video at the same time; `Policy` says which frames.
- `Drive` is an endless street as label maps: input where there is neither camera nor data.
- `LabelSet` says what labels mean; `label_set` gives a shipped one by name, or reads one from a file.
- `LayoutRTError` is what every error that a user can put right is raised as.

Example:
    >>> from layoutrt import Drive, Synthesizer
    >>> synthesizer = Synthesizer("camvid-edge")
    >>> labels = Drive(synthesizer.label_set, 192, 256).frame(0)
    >>> synthesizer.render(labels).shape
    (192, 256, 3)

The subpackages `layoutrt.train` (needs the extra ``train``), `layoutrt.export`, `layoutrt.calib` and
`layoutrt.runtime` hold the rest, which may change between releases.
"""

from __future__ import annotations

# Not from typing, which takes as long to import as the rest of this file; type checkers know the name.
TYPE_CHECKING = False

__version__ = "0.1.0"

__all__ = [
    "Drive",
    "LabelSet",
    "LayoutRTError",
    "Pipeline",
    "Policy",
    "Session",
    "Synthesizer",
    "label_set",
]

if TYPE_CHECKING:
    from layoutrt.drive import Drive
    from layoutrt.errors import LayoutRTError
    from layoutrt.layouts import LabelSet, label_set
    from layoutrt.runtime.pipeline import Pipeline, Policy
    from layoutrt.runtime.session import Session
    from layoutrt.runtime.synthesizer import Synthesizer
else:
    # Hidden from type checkers, which would take any name that a module with __getattr__ is asked for.
    _MODULES = {
        "Drive": "layoutrt.drive",
        "LabelSet": "layoutrt.layouts",
        "LayoutRTError": "layoutrt.errors",
        "Pipeline": "layoutrt.runtime.pipeline",
        "Policy": "layoutrt.runtime.pipeline",
        "Session": "layoutrt.runtime.session",
        "Synthesizer": "layoutrt.runtime.synthesizer",
        "label_set": "layoutrt.layouts",
    }

    def __getattr__(name):
        """Import a public name when it is first used (PEP 562)."""
        if name not in _MODULES:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_MODULES[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
