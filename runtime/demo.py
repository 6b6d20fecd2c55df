"""The demonstration: an endless drive, rendered by a generator, as a video, a contact sheet and latencies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from layoutrt.drive import Drive
from layoutrt.errors import LayoutRTError
from layoutrt.layouts import colorize
from layoutrt.models import DEFAULT_GENERATOR
from layoutrt.runtime.contact_sheet import contact_sheet
from layoutrt.runtime.latency import Latencies
from layoutrt.runtime.synthesize import write_image
from layoutrt.runtime.synthesizer import Synthesizer, latent_from_seed
from layoutrt.runtime.video import video_writer

SHEET_FRAMES = 12
PLEASANT_HEIGHT = 384
"""Videos of lower frames are enlarged twice."""

FRAME = "whole frame"
"""Name of the stage that holds the others."""


@dataclass(frozen=True)
class DemoReport:
    """What was made, and how fast."""

    video: Path
    sheet: Path
    backend: str
    model: str
    size: tuple[int, int]
    latencies: Latencies


def run_demo(
    generator: str | Path = DEFAULT_GENERATOR,
    *,
    frames: int = 240,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    out: Path = Path("out"),
    fps: float = 25.0,
    threads: int | None = None,
    progress: bool = False,
) -> DemoReport:
    """Render the drive and write ``out/drive.mp4`` and ``out/contact_sheet.png``.

    Args:
        generator: shipped name or ONNX file of a generator of CamVid's classes.
        frames: length of the drive.
        size: (height, width); the model's own by default.
        seed: of the town, and of the latent where the model has one.
        out: folder, made where there is none.
        fps: of the video when played.
        threads: None for one per processor.
        progress: show a progress bar.

    Raises:
        LayoutRTError: the model cannot render the drive, or a file cannot be written.
    """
    if frames < 1:
        raise LayoutRTError(f"--frames is {frames}; give 1 or more")
    if fps <= 0:
        raise LayoutRTError(f"--fps is {fps:g}; give more than 0")
    latencies = Latencies()
    with Synthesizer(generator, threads=threads) as synthesizer:
        if synthesizer.needs_instances:
            raise LayoutRTError(
                f"model {synthesizer.name} reads instance ids, which the drive does not have; "
                "choose another generator, or use layoutrt synthesize"
            )
        size = size or synthesizer.size or synthesizer.trained_size
        drive = Drive(synthesizer.label_set, *size, seed=seed)
        z = latent_from_seed(seed, synthesizer.latent) if synthesizer.latent else None
        # The first run of a session allocates its memory; it belongs to loading, not to the drive.
        synthesizer.render(drive.frame(0), z=z)
        shown = set(np.linspace(0, frames - 1, min(SHEET_FRAMES, frames)).round().astype(int).tolist())
        pairs = []
        scale = 2 if size[0] < PLEASANT_HEIGHT else 1
        with video_writer(out / "drive.mp4", (size[0] * scale, 2 * size[1] * scale), fps) as video:
            for index in track(range(frames), "driving", transient=True, disable=not progress):
                with latencies.stage(FRAME):
                    with latencies.stage("layout"):
                        labels = drive.frame(index)
                    with latencies.stage("synthesise"):
                        image = synthesizer.render(labels, z=z)
                    with latencies.stage("write"):
                        video.write(_side_by_side(colorize(labels, drive.label_set), image, scale))
                if index in shown:
                    pairs.append((labels, image))
        backend, name = synthesizer.backend, synthesizer.name
    heading = f"{name}   {size[0]}x{size[1]}   drive, seed {seed}   layout | image"
    sheet = contact_sheet(pairs, drive.label_set, heading)
    write_image(out / "contact_sheet.png", sheet)
    return DemoReport(out / "drive.mp4", out / "contact_sheet.png", backend, name, size, latencies)


def _side_by_side(layout: NDArray[np.uint8], image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Two frames uint8 [H,W,3] to one of [scale*H, 2*scale*W, 3]; the layout keeps its hard edges."""
    if scale > 1:
        layout = layout.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = layout.shape[:2]
    larger = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC) if scale > 1 else image
    return np.concatenate([layout, larger.astype(np.uint8, copy=False)], axis=1)
