"""A generator that is ready to render layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import GENERATOR, ModelInfo, info_from_metadata
from layoutrt.errors import LayoutRTError
from layoutrt.models import resolve_model
from layoutrt.runtime.session import Session

IGNORED = 255
"""A label that generators with an extra "don't care" index take for it, as the data sets' files do."""


class Synthesizer:
    """Renders layouts with an exported generator, and checks that they fit it.

    Args:
        model: name of a shipped model, or path of an ONNX file or an engine.
        threads: threads of one run; None for one per processor.

    Attributes:
        name: name of the model, for messages.
        label_set: the classes of its layouts.
        size: (height, width) in pixels; None if the model takes any size.
        size_multiple: number that height and width must be multiples of.
        trained_size: (height, width) that it was trained at, the best choice where any size is possible.
        needs_instances: True if ``render`` needs instance ids.
        latent: length of the latent ``z`` that ``render`` needs; 0 for none.
        keeps_layout: True if ``set_layout`` and ``render_latent`` can be used: the model was exported with
            ``--cache-layout``.
        is_native: True if the model runs in the native library, as a `Pipeline` needs it.
        backend: library, instruction set and threads that run the model.

    Raises:
        LayoutRTError: the model cannot be loaded, or is not a generator.

    Example:
        >>> synthesizer = Synthesizer("camvid-edge")
        >>> labels = np.full((192, 256), synthesizer.label_set.names.index("road"), np.uint8)
        >>> synthesizer.render(labels).shape
        (192, 256, 3)
    """

    def __init__(self, model: str | Path, *, threads: int | None = None) -> None:
        path = resolve_model(model)
        self.name = path.stem
        self._session = Session(path, threads=threads)
        try:
            shapes = {tensor.name: tensor.shape for tensor in self._session.inputs}
            info = info_from_metadata(path, self._session.metadata, shapes)
            _check_generator(info)
        except LayoutRTError:
            self.close()
            raise
        self.label_set, self.latent, self.needs_instances = info.label_set, info.latent, info.needs_instances
        self.size, self.size_multiple, self.trained_size = info.size, info.size_multiple, info.trained_size
        self._batch = info.batch
        self.is_native = self._session.is_native
        self.keeps_layout = info.render_file is not None
        self._layout: NDArray[np.uint8] | None = None
        self.backend = self._session.backend

    def render(
        self,
        labels: NDArray[np.uint8],
        instances: NDArray[np.int32] | None = None,
        z: NDArray[np.float32] | None = None,
    ) -> NDArray[np.uint8]:
        """Synthesize images.

        Args:
            labels: uint8 [H,W] or [N,H,W], class indices; 255 is "don't care" where the label set has an
                extra index for it.
            instances: int32 of the same shape, any ids, where the model needs them.
            z: float32 [latent] or [N,latent], where the model has a latent.

        Returns:
            uint8 [H,W,3] or [N,H,W,3], RGB.

        Raises:
            LayoutRTError: an argument does not fit the model.
        """
        self.check(labels)
        self._check_instances(labels, instances)
        self._check_latent(labels, z)
        single = labels.ndim == 2
        count = 1 if single else len(labels)
        inputs: dict[str, NDArray] = {"labels": labels.reshape(-1, *labels.shape[-2:])}
        if instances is not None:
            inputs["instances"] = instances.reshape(inputs["labels"].shape)
        if z is not None:
            inputs["z"] = np.broadcast_to(z, (count, self.latent))
        batch = self._batch or count
        if count % batch:
            raise LayoutRTError(
                f"model {self.name} renders {batch} layouts at a time and cannot divide {count}; "
                f"give a multiple of {batch}, or export it with --batch 1"
            )
        images = [
            self._session.run(**{name: array[i : i + batch] for name, array in inputs.items()})["image"]
            for i in range(0, count, batch)
        ]
        image = images[0] if len(images) == 1 else np.concatenate(images)
        return image[0] if single else image

    def set_layout(self, labels: NDArray[np.uint8], instances: NDArray[np.int32] | None = None) -> None:
        """Compute all that depends on the layout, for any number of calls of ``render_latent``.

        Args:
            labels: layouts of ``render``; as many as the model renders at a time.
            instances: instance ids of ``render``.

        Raises:
            LayoutRTError: an argument does not fit the model, or it was not exported with ``--cache-layout``.
        """
        self.check(labels)
        self._check_instances(labels, instances)
        inputs: dict[str, NDArray] = {"labels": labels.reshape(-1, *labels.shape[-2:])}
        if instances is not None:
            inputs["instances"] = instances.reshape(inputs["labels"].shape)
        self._layout = None
        self._session.set_layout(**inputs)
        self._layout = labels

    def render_latent(self, z: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Synthesize images of the layout that was set.

        Args:
            z: latent of ``render``.

        Returns:
            The same images as ``render`` of that layout and ``z``.

        Raises:
            LayoutRTError: ``z`` does not fit the model, or no layout was set.
        """
        if self._layout is None:
            raise LayoutRTError(f"no layout is set for model {self.name}; call set_layout first")
        self._check_latent(self._layout, z)
        single = self._layout.ndim == 2
        count = 1 if single else len(self._layout)
        image = self._session.render(z=np.broadcast_to(z, (count, self.latent)))["image"]
        return image[0] if single else image

    def check(self, labels: NDArray[np.uint8], source: str = "the layout") -> None:
        """Raise LayoutRTError unless ``render`` takes these labels; ``source`` says where they came from."""
        if labels.dtype != np.uint8 or labels.ndim not in (2, 3) or labels.size == 0:
            raise LayoutRTError(
                f"{source} is {labels.dtype} {list(labels.shape)}; "
                "give class indices as uint8 [H,W] or [N,H,W]"
            )
        self._check_size(labels.shape[-2], labels.shape[-1], source)
        classes = self.label_set.num_classes
        if labels.max() < classes:
            return
        outside = labels >= classes
        if classes > len(self.label_set.labels):
            outside &= labels != IGNORED
        if outside.any():
            first = np.unravel_index(int(outside.argmax()), outside.shape)
            *_, y, x = (int(index) for index in first)
            value = labels[first]
            raise LayoutRTError(
                f"{source} has the label {value} at pixel (x={x}, y={y}), but label set "
                f"'{self.label_set.name}' of model {self.name} ends at {classes - 1}; "
                "use layouts of this label set"
            )

    def fitting_size(self, height: int, width: int) -> tuple[int, int]:
        """Size to resize a layout to, (height, width): the model's, or the nearest that it can make."""
        if self.size:
            return self.size
        step = self.size_multiple
        return max(step, round(height / step) * step), max(step, round(width / step) * step)

    def close(self) -> None:
        """Free the model. Allowed more than once."""
        self._session.close()

    def __enter__(self) -> Synthesizer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _check_size(self, height: int, width: int, source: str) -> None:
        if (height, width) == (self.size or self.fitting_size(height, width)):
            return
        makes = (
            f"makes {self.size[0]}x{self.size[1]}"
            if self.size
            else f"makes heights and widths that are multiples of {self.size_multiple}"
        )
        raise LayoutRTError(
            f"{source} is {height}x{width} but model {self.name} {makes}; resize the layout (--resize)"
        )

    def _check_instances(self, labels: NDArray[np.uint8], instances: NDArray[np.int32] | None) -> None:
        if not self.needs_instances:
            if instances is not None:
                raise LayoutRTError(f"model {self.name} reads no instances; leave them out")
            return
        if instances is None:
            raise LayoutRTError(
                f"model {self.name} reads instance ids beside the labels; give instances (--instances)"
            )
        if instances.dtype != np.int32 or instances.shape != labels.shape:
            raise LayoutRTError(
                f"the instances are {instances.dtype} {list(instances.shape)}; "
                f"give int32 {list(labels.shape)}, as the layout"
            )

    def _check_latent(self, labels: NDArray[np.uint8], z: NDArray[np.float32] | None) -> None:
        if not self.latent:
            if z is not None:
                raise LayoutRTError(f"model {self.name} has no latent; leave z out")
            return
        if z is None:
            raise LayoutRTError(
                f"model {self.name} has a latent; give z, float32 [{self.latent}] (--z or --seed)"
            )
        shapes = [(self.latent,), (1, self.latent)]
        if labels.ndim == 3:
            shapes.append((len(labels), self.latent))
        if z.dtype != np.float32 or z.shape not in shapes:
            raise LayoutRTError(
                f"z is {z.dtype} {list(z.shape)}; model {self.name} takes float32 [{self.latent}], "
                "or one such row for each layout"
            )


def latent_from_seed(seed: int, latent: int) -> NDArray[np.float32]:
    """The latent of a seed: standard normal, float32 [latent], the same on every machine (PCG64)."""
    if seed < 0:
        raise LayoutRTError(f"the seed is {seed}; give a number from 0 up")
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(latent, dtype=np.float32)


def _check_generator(info: ModelInfo) -> None:
    if info.layout_file:
        raise LayoutRTError(
            f"{info.path} is the second file of a model; "
            f"give the first, {info.path.with_name(info.layout_file)}"
        )
    if info.kind != GENERATOR:
        raise LayoutRTError(
            f"{info.path} is not a layoutrt generator (it is a {info.kind}); "
            "export one with: layoutrt export CHECKPOINT --out MODEL.onnx"
        )
