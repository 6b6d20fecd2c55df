"""Models of any file format behind one interface, as verification compares them: arguments in, bytes out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from layoutrt.artifacts.engine_manifest import is_engine
from layoutrt.artifacts.info import describe
from layoutrt.errors import LayoutRTError, require
from layoutrt.files import temporary_folder
from layoutrt.graph.onnx_file import save_model
from layoutrt.layouts import LabelSet
from layoutrt.models import resolve_checkpoint, resolve_model, shipped_models
from layoutrt.runtime.session import Session
from layoutrt.runtime.synthesizer import Synthesizer

GENERATOR, SEGMENTER = "generator", "segmenter"
_SEGMENTER_MULTIPLE = 16
"""What a segmenter's heights and widths are multiples of."""


class VerifiedModel(Protocol):
    """A generator or segmenter that is ready to run.

    Attributes:
        name: for messages and reports.
        path: its file.
        version: of the layoutrt that made it.
        kind: ``"generator"`` or ``"segmenter"``.
        precision: number format of the weights, such as ``"fp32"``.
        backend: what runs it.
        label_set: what labels mean.
        size: (height, width) it is made for; None where it takes any multiple of ``size_multiple``.
        size_multiple: what heights and widths are multiples of.
        trained_size: (height, width) it was trained at.
        needs_instances: whether it reads instance ids.
        latent: length of ``z``; 0 for none.
    """

    name: str
    path: Path
    version: str
    kind: str
    precision: str
    backend: str
    label_set: LabelSet
    size: tuple[int, int] | None
    size_multiple: int
    trained_size: tuple[int, int]
    needs_instances: bool
    latent: int

    def run(self, arguments: dict[str, NDArray]) -> NDArray[np.uint8]:
        """One result of one set of arguments, whose batch is 1.

        Args:
            arguments: ``labels`` uint8 [1,H,W], ``instances`` int32 [1,H,W] and ``z`` float32 [1,latent] of a
                generator, as far as it takes them; ``frame`` uint8 [1,H,W,3] of a segmenter.

        Returns:
            A generator's image uint8 [H,W,3], RGB, or a segmenter's labels uint8 [H,W].
        """

    def close(self) -> None:
        """Free the model. Allowed more than once."""


class ExportedModel:
    """An ONNX file or an engine, run as `layoutrt.runtime.session.Session` does.

    Attributes:
        in_two_files: whether it was exported with ``--cache-layout``.
        batch: inputs of a run; None where any number is taken.
    """

    def __init__(self, model: str | Path, threads: int | None) -> None:
        self.path = resolve_model(model)
        self.name = self.path.name
        facts = describe(self.path)
        self.kind = str(facts["what"]).rpartition(": ")[2]
        if self.kind not in (GENERATOR, SEGMENTER) or "layout_file" in facts:
            raise LayoutRTError(
                f"{self.path} is no whole generator or segmenter; give one that can be run alone"
            )
        self.in_two_files = "render_file" in facts
        self.version, self.precision = str(facts["version"]), str(facts.get("precision", "unknown"))
        config = facts["config"]
        self.trained_size = (int(config["image_height"]), int(config["image_width"]))
        self.size_multiple = (
            2 ** (int(config["pyramid_levels"]) - 1) if self.kind == GENERATOR else _SEGMENTER_MULTIPLE
        )
        self.needs_instances = bool(config.get("instance_edges", False))
        self.latent = int(config.get("latent", 0))
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        path = self.path
        if facts.get("target") == "tensorrt" and not is_engine(path):
            self._folder = temporary_folder()
            path = Path(self._folder.name, path.name)
            save_model(load_graph(self.path), path)
        self._session = Session(path, threads=threads)
        self.backend = self._session.backend
        labels = self._session.label_set
        if labels is None:
            self.close()
            raise LayoutRTError(f"{self.path} names no label set; export it again with layoutrt export")
        self.label_set = labels
        self.batch, height, width = self._session.inputs[0].shape[:3]
        self.size = (height, width) if height and width else None
        self._output = "image" if self.kind == GENERATOR else "labels"

    def run(self, arguments: dict[str, NDArray]) -> NDArray[np.uint8]:
        """See `VerifiedModel`."""
        # A model of a fixed batch computes the same thing several times.
        batch = self.batch or 1
        given = {name: np.repeat(array, batch, axis=0) for name, array in arguments.items()}
        return self._session.run(**given)[self._output][0]

    def close(self) -> None:
        """See `VerifiedModel`."""
        self._session.close()
        if self._folder:
            self._folder.cleanup()


class GeneratorCheckpoint:
    """A generator's checkpoint, run by torch as it was trained."""

    kind = GENERATOR

    def __init__(self, path: Path) -> None:
        self._renderer = renderer = CheckpointRenderer(path)
        self.name, self.path, self.version = path.name, path, str(describe(path)["version"])
        self.precision, self.backend, self.label_set = (
            renderer.precision,
            renderer.backend,
            renderer.label_set,
        )
        self.size, self.size_multiple = renderer.size, renderer.size_multiple
        self.trained_size = renderer.trained_size
        self.needs_instances, self.latent = renderer.needs_instances, renderer.latent

    def run(self, arguments: dict[str, NDArray]) -> NDArray[np.uint8]:
        """See `VerifiedModel`."""
        return self._renderer.render(**arguments)[0]

    def close(self) -> None:
        """See `VerifiedModel`."""
        self._renderer.close()


class SegmenterCheckpoint:
    """A segmenter's checkpoint, run by torch as it was trained."""

    kind, precision = SEGMENTER, "fp32"
    size: tuple[int, int] | None = None
    size_multiple = _SEGMENTER_MULTIPLE
    needs_instances, latent = False, 0

    def __init__(self, path: Path) -> None:
        import torch

        from layoutrt.train.checkpoint import load_segmenter

        self._segmenter, self.label_set, _ = load_segmenter(path)
        config = self._segmenter.config
        self.name, self.path, self.version = path.name, path, str(describe(path)["version"])
        self.trained_size = (config.image_height, config.image_width)
        self.backend = f"torch {torch.__version__} CPU, {torch.get_num_threads()} threads"

    def run(self, arguments: dict[str, NDArray]) -> NDArray[np.uint8]:
        """See `VerifiedModel`."""
        import torch

        frame = np.ascontiguousarray(arguments["frame"].transpose(0, 3, 1, 2), np.float32)
        with torch.no_grad():
            scores = self._segmenter(torch.from_numpy(frame) / 127.5 - 1)
        if self.label_set.dont_care is not None:
            scores[:, self.label_set.dont_care] = -torch.inf
        return scores[0].argmax(0).to(torch.uint8).numpy()

    def close(self) -> None:
        """Nothing is held that the garbage collector does not free."""


def open_model(model: str | Path, threads: int | None = None) -> VerifiedModel:
    """A model by file or shipped name.

    Args:
        model: checkpoint (``.safetensors``), exported model, or shipped name of either; where both ship, the
            exported one.
        threads: of one run of an exported model; None for one per processor.

    Raises:
        LayoutRTError: there is no such model, or it is no generator or segmenter.
    """
    path = Path(model) if str(model) in shipped_models() else resolve_checkpoint(model)
    if path.suffix != ".safetensors":
        return ExportedModel(model, threads)
    require("torch", extra="train", purpose="verifying a checkpoint")
    from layoutrt.train.checkpoint import checkpoint_kind

    # The loaders say what is wrong with any other file.
    return SegmenterCheckpoint(path) if checkpoint_kind(path) == SEGMENTER else GeneratorCheckpoint(path)


def load_graph(path: Path) -> onnx.ModelProto:
    """An ONNX file with its weights, in the form that ONNX Runtime reads."""
    model = onnx.load(path)
    if any(e.key == "layoutrt.target" and e.value == "tensorrt" for e in model.metadata_props):
        from layoutrt.calib.trt.ort_equivalent import for_onnxruntime

        model = for_onnxruntime(model)
    return model


def common_size(a: VerifiedModel, b: VerifiedModel, size: tuple[int, int] | None) -> tuple[int, int]:
    """The (height, width) to compare two models at: what was asked for, or what they are made for.

    Raises:
        LayoutRTError: one of them cannot make it.
    """
    size = size or a.size or b.size or a.trained_size
    for model in (a, b):
        if model.size and model.size != size:
            raise LayoutRTError(
                f"model {model.name} is made for {model.size[0]}x{model.size[1]} and not "
                f"{size[0]}x{size[1]}; export both models for one size, or leave --size out"
            )
        step = model.size_multiple
        if size[0] % step or size[1] % step:
            raise LayoutRTError(
                f"model {model.name} cannot take {size[0]}x{size[1]}; give a --size of multiples of {step}"
            )
    return size


def check_pair(a: VerifiedModel, b: VerifiedModel) -> None:
    """Refuse two models that do not do the same thing.

    Raises:
        LayoutRTError: they differ in kind, label set, instances or latent.
    """
    if a.kind != b.kind:
        raise LayoutRTError(f"{a.path} is a {a.kind} and {b.path} a {b.kind}; give two models of one kind")
    if a.label_set != b.label_set:
        raise LayoutRTError(
            f"model {a.name} has the label set '{a.label_set.name}' ({a.label_set.num_classes} classes) and "
            f"{b.name} '{b.label_set.name}' ({b.label_set.num_classes}); give two models of one label set"
        )
    if a.needs_instances != b.needs_instances:
        reader, other = (a, b) if a.needs_instances else (b, a)
        raise LayoutRTError(
            f"model {reader.name} reads instance ids and {other.name} does not; "
            "give two models of one network"
        )
    if a.latent != b.latent:
        raise LayoutRTError(
            f"model {a.name} has a latent of {a.latent} and {b.name} of {b.latent}; "
            "give two models of one network"
        )


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
        import torch

        from layoutrt.train.checkpoint import load_generator

        self.name, self.path = path.stem, path
        self.generator, self.label_set, _ = load_generator(path)
        config = self.generator.config
        self.trained_size = (config.image_height, config.image_width)
        self.size = self.trained_size if config.fixed_size else None
        self.size_multiple = config.size_multiple
        self.needs_instances, self.latent = config.instance_edges, config.latent
        self.backend = f"torch {torch.__version__} CPU, {torch.get_num_threads()} threads"

    def render(
        self,
        labels: NDArray[np.uint8],
        instances: NDArray[np.int32] | None = None,
        z: NDArray[np.float32] | None = None,
    ) -> NDArray[np.uint8]:
        """See `Renderer`."""
        import torch

        from layoutrt.operators.torch.conv_to_image import to_bytes
        from layoutrt.train.networks.semantics import semantic_tensor

        ids = torch.from_numpy(instances) if instances is not None else None
        with torch.no_grad():
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
