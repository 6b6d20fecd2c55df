"""Layouts in, one image file for each out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from layoutrt.errors import LayoutRTError
from layoutrt.files import check_not_inputs, replacing
from layoutrt.inputs import LayoutSource, find_sources
from layoutrt.layouts import read_instances, resize_layout
from layoutrt.runtime.latency import Latencies
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed

STAGE = "synthesize"
"""Name of the stage whose latency is reported."""

LAYOUT_STAGE = "layout"
"""Name of the stage that reads a layout of which several images are made, by a model that keeps it."""


@dataclass(frozen=True)
class Synthesis:
    """Results of `synthesize_files`.

    Attributes:
        files: the images, in the order of the inputs.
        backend: description of the backend.
        latencies: times of the stage ``STAGE``, one sample for each image; and of ``LAYOUT_STAGE``, one for
            each layout, if a model that keeps the layout rendered several images of each.
    """

    files: list[Path]
    backend: str
    latencies: Latencies


def synthesize(
    model: str | Path,
    inputs: Sequence[str],
    out: Path,
    *,
    instances: Path | None = None,
    z: Path | None = None,
    seed: int = 0,
    seeds: int = 1,
    threads: int | None = None,
    resize: bool = False,
    progress: bool = False,
) -> Synthesis:
    """Render layouts and write ``out/NAME.png`` for each, NAME being the layout's own.

    Every layout is read and checked before the first image is written.

    Args:
        model: shipped name or ONNX file.
        inputs: inputs, see `find_sources`.
        out: folder, made where there is none.
        instances: instance ids: a PNG file for a single layout, or a folder of files named as the layouts.
        z: ``.npy`` file with the latent, float [latent], or [N,latent] with a row for each layout.
        seed: seed of the latent, if the model has one and ``z`` is None.
        seeds: images of each layout, of latents from this many seeds, the first being ``seed``. More than one
            are written as ``out/NAME_SEED.png``.
        threads: None for one per processor.
        resize: resize layouts and instances to the model's size, by nearest sampling.
        progress: show a progress bar.

    Raises:
        LayoutRTError: a model, layout or argument cannot be used.
    """
    with Synthesizer(model, threads=threads) as synthesizer:
        sources = find_sources(inputs, synthesizer.label_set, synthesizer.size or synthesizer.trained_size)
        names = _names(synthesizer, z, seed, seeds)
        latents = _latents(synthesizer, z, seed, len(sources))
        instance_files = _instance_files(synthesizer, sources, instances)
        layouts = [source.path for source in sources if source.path]
        written = [out / f"{source.name}{name}.png" for source in sources for name in names]
        check_not_inputs(written, [*layouts, *instance_files.values()])
        for source in sources:
            if source.path:
                _load(source, synthesizer, resize)
                _load_instances(instance_files.get(source.name), source, synthesizer, resize)
        latencies, files = Latencies(), []
        for index, source in enumerate(track(sources, "synthesizing", transient=True, disable=not progress)):
            labels = _load(source, synthesizer, resize)
            ids = _load_instances(instance_files.get(source.name), source, synthesizer, resize)
            rows = (
                [latent_from_seed(number, synthesizer.latent) for number in range(seed, seed + seeds)]
                if seeds > 1
                else [None if latents is None else latents[index]]
            )
            images = _images(synthesizer, labels, ids, rows, latencies)
            for name, image in zip(names, images, strict=True):
                files.append(out / f"{source.name}{name}.png")
                write_image(files[-1], image)
        return Synthesis(files, synthesizer.backend, latencies)


def _images(
    synthesizer: Synthesizer,
    labels: NDArray[np.uint8],
    ids: NDArray[np.int32] | None,
    latents: Sequence[NDArray[np.float32] | None],
    latencies: Latencies,
) -> Iterator[NDArray[np.uint8]]:
    """One image of the layout for each latent."""
    keep = synthesizer.keeps_layout and len(latents) > 1
    if keep:
        with latencies.stage(LAYOUT_STAGE):
            synthesizer.set_layout(labels, ids)
    for z in latents:
        with latencies.stage(STAGE):
            image = (
                synthesizer.render_latent(z) if keep and z is not None else synthesizer.render(labels, ids, z)
            )
        yield image


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a PNG file, all or nothing: uint8 [H,W,3] RGB.

    Raises:
        LayoutRTError: it cannot be written.
    """
    data = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _load(source: LayoutSource, synthesizer: Synthesizer, resize: bool) -> NDArray[np.uint8]:
    labels = source.load()
    if resize:
        labels = resize_layout(labels, synthesizer.fitting_size(*labels.shape))
    synthesizer.check(labels, str(source.path or "the drive"))
    return labels


def _load_instances(
    path: Path | None, source: LayoutSource, synthesizer: Synthesizer, resize: bool
) -> NDArray[np.int32] | None:
    if path is None:
        return None
    ids, size = read_instances(path), source.load().shape
    if ids.shape != size:
        raise LayoutRTError(
            f"{path} is {ids.shape[0]}x{ids.shape[1]} but its layout {source.path} is {size[0]}x{size[1]}; "
            "use instances of the same size"
        )
    return np.ascontiguousarray(resize_layout(ids, synthesizer.fitting_size(*size))) if resize else ids


def _instance_files(
    synthesizer: Synthesizer, sources: list[LayoutSource], instances: Path | None
) -> dict[str, Path]:
    """The file with the instance ids of each layout, by the layout's name."""
    if not synthesizer.needs_instances:
        if instances is not None:
            raise LayoutRTError(f"model {synthesizer.name} reads no instances; leave --instances out")
        return {}
    if instances is None:
        raise LayoutRTError(
            f"model {synthesizer.name} reads instance ids beside the labels; give --instances PNG or FOLDER"
        )
    if instances.is_dir():
        files = {source.name: instances / f"{source.name}.png" for source in sources}
    elif len(sources) == 1:
        files = {sources[0].name: instances}
    else:
        raise LayoutRTError(
            f"{instances} is one file for {len(sources)} layouts; give a folder with a file for each"
        )
    for path in files.values():
        if not path.is_file():
            raise LayoutRTError(f"there are no instances {path}; each layout needs a file of its own name")
    return files


def _latents(
    synthesizer: Synthesizer, path: Path | None, seed: int, count: int
) -> NDArray[np.float32] | None:
    """The latent of each layout, float32 [count,latent], or None if the model has none."""
    length = synthesizer.latent
    if not length:
        if path is not None:
            raise LayoutRTError(f"model {synthesizer.name} has no latent; leave --z out")
        return None
    if path is None:
        z = latent_from_seed(seed, length)
    else:
        try:
            z = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "not a whole .npy file"
            raise LayoutRTError(
                f"cannot read the latent {path} ({reason}); write it with numpy.save"
            ) from None
        fits = isinstance(z, np.ndarray) and z.dtype.kind == "f" and z.shape[-1:] == (length,)
        if not fits or z.shape[:-1] not in ((), (1,), (count,)):
            raise LayoutRTError(
                f"{path} holds {z.dtype} {list(z.shape)}; model {synthesizer.name} takes floats [{length}], "
                f"or [{count}, {length}] with a row for each layout"
            )
    return np.broadcast_to(z.astype(np.float32), (count, length))


def _names(synthesizer: Synthesizer, z: Path | None, seed: int, seeds: int) -> list[str]:
    """Suffix of the file names of a layout's images."""
    if seeds == 1:
        return [""]
    if z is not None:
        raise LayoutRTError("--seeds draws latents and --z reads them; leave one of them out")
    if not synthesizer.latent:
        raise LayoutRTError(f"model {synthesizer.name} has no latent; leave --seeds out")
    return [f"_{number}" for number in range(seed, seed + seeds)]
