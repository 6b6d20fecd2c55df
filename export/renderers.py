"""Generators of any file format behind one interface: layouts in, images out."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from layoutrt.artifacts.info import describe
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_checkpoint, resolve_model, shipped_models
from layoutrt.operators.torch.conv_to_image import to_bytes
from layoutrt.runtime.synthesizer import Synthesizer
from layoutrt.train.checkpoint import load_generator
from layoutrt.train.networks.semantics import semantic_tensor


class Renderer(Protocol):
    """A generator that is ready to render.

    Attributes:
        name: for messages and reports.
        path: its file.
        precision: number format of the weights, such as ``"fp32"``.
        backend: what runs it.
        label_set: what labels mean.
        size: (height, width) it makes; None where it makes any multiple of ``size_multiple``.
        size_multiple: what heights and widths are multiples of.
        trained_size: (height, width) it was trained at.
        needs_instances: whether it reads instance ids.
        latent: length of ``z``; 0 for none.
    """

    name: str
    path: Path
    precision: str
    backend: str
    label_set: LabelSet
    size: tuple[int, int] | None
    size_multiple: int
    trained_size: tuple[int, int]
    needs_instances: bool
    latent: int

    def render(
        self,
        labels: NDArray[np.uint8],
        instances: NDArray[np.int32] | None = None,
        z: NDArray[np.float32] | None = None,
    ) -> NDArray[np.uint8]:
        """Images uint8 [N,H,W,3] RGB of labels uint8 [N,H,W], int32 [N,H,W] instances, float32 [N,latent]."""

    def close(self) -> None:
        """Free the model."""


class CheckpointRenderer:
    """A checkpoint, run by torch as it was trained, in float32."""

    precision = "fp32"

    def __init__(self, path: Path) -> None:
        self.name, self.path = path.stem, path
        self.generator, self.label_set, _ = load_generator(path)
        config = self.generator.config
        self.trained_size = (config.image_height, config.image_width)
        self.size = self.trained_size if config.fixed_size else None
        self.size_multiple = config.size_multiple
        self.needs_instances, self.latent = config.instance_edges, config.latent
        self.backend = f"torch {torch.__version__} CPU, {torch.get_num_threads()} threads"

    @torch.no_grad()
    def render(
        self,
        labels: NDArray[np.uint8],
        instances: NDArray[np.int32] | None = None,
        z: NDArray[np.float32] | None = None,
    ) -> NDArray[np.uint8]:
        """See `Renderer`."""
        ids = torch.from_numpy(instances) if instances is not None else None
        semantics = semantic_tensor(torch.from_numpy(labels), self.generator.config.num_classes, ids)
        image = self.generator(semantics, torch.from_numpy(z) if z is not None else None)
        return np.ascontiguousarray(to_bytes(image).numpy())

    def close(self) -> None:
        """Nothing is held that the garbage collector does not free."""


class ExportedRenderer:
    """An exported model, run by the native runtime."""

    def __init__(self, model: str, threads: int | None) -> None:
        self._synthesizer = synthesizer = Synthesizer(model, threads=threads)
        try:
            self.name, self.path = synthesizer.name, resolve_model(model)
            self.precision = str(describe(model).get("precision", "unknown"))
        except LayoutRTError:
            synthesizer.close()
            raise
        self.backend, self.label_set = synthesizer.backend, synthesizer.label_set
        self.size, self.size_multiple = synthesizer.size, synthesizer.size_multiple
        self.trained_size = synthesizer.trained_size
        self.needs_instances, self.latent = synthesizer.needs_instances, synthesizer.latent

    def render(
        self,
        labels: NDArray[np.uint8],
        instances: NDArray[np.int32] | None = None,
        z: NDArray[np.float32] | None = None,
    ) -> NDArray[np.uint8]:
        """See `Renderer`."""
        return self._synthesizer.render(labels, instances, z)

    def close(self) -> None:
        """Free the session."""
        self._synthesizer.close()


def open_renderer(model: str | Path, threads: int | None = None) -> Renderer:
    """A generator by file or shipped name.

    Args:
        model: generator checkpoint (``.safetensors``), exported model, or shipped name of either; where both
            ship, the exported one.
        threads: of one run of an exported model; None for one per processor.

    Raises:
        LayoutRTError: there is no such model, or it is no generator.
    """
    name = str(model)
    if name not in shipped_models():
        path = resolve_checkpoint(name)
        if path.suffix == ".safetensors":
            return CheckpointRenderer(path)
    return ExportedRenderer(name, threads)


def check_size(renderer: Renderer, size: tuple[int, int]) -> None:
    """Refuse a (height, width) that the generator cannot make."""
    height, width = size
    if renderer.size and renderer.size != size:
        raise LayoutRTError(
            f"model {renderer.name} makes {renderer.size[0]}x{renderer.size[1]} and not {height}x{width}; "
            "leave --size out, or export it for this size"
        )
    step = renderer.size_multiple
    if height % step or width % step:
        raise LayoutRTError(
            f"model {renderer.name} cannot make {height}x{width}; give a --size of multiples of {step}"
        )
