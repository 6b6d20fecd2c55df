"""The paper's COCO-Stuff generator, 256x256: the published formulation in torch beside ours.

Its weights are drawn, because none can be shipped: they change neither the arithmetic nor its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.candidates import Cost, compare
from benchmarks.reference_weights import rule_state
from benchmarks.rows import Row, less_is_better
from layoutrt.calib.calibrate import calibrate
from layoutrt.export.onnx_export.to_onnx import export_onnx
from layoutrt.graph.float_image import with_float_image
from layoutrt.layouts import label_set, write_layout
from layoutrt.train.checkpoint import save_generator
from layoutrt.train.networks.generator import Generator
from layoutrt.train.networks.generator_config import GeneratorConfig

SIDE = 256
LABELS = label_set("coco-stuff")
CONFIG = GeneratorConfig(len(LABELS.labels) + 1, instance_edges=True, latent=256)
CALIBRATION_LAYOUTS = 2
_NAMES = ("g.safetensors", "g.onnx", "g.int8.onnx", "g.split.onnx", "g.float.onnx", "inputs.npz")


@dataclass(frozen=True)
class Files:
    """The generator in every form that is compared."""

    checkpoint: Path
    fp32: Path
    int8: Path
    split: Path
    """`fp32` exported with ``--cache-layout``."""
    before_bytes: Path
    """`fp32` with the image before its conversion to bytes as its output."""
    inputs: Path
    """Arguments of one run, ``.npz``."""


def make_files(folder: Path) -> Files:
    """Write them, as the commands ``export`` and ``calibrate`` would: a minute and a half, 3 GB in all."""
    files = Files(*(folder / name for name in _NAMES))
    generator = Generator(CONFIG)
    shapes = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    generator.load_state_dict(rule_state(shapes, 0), strict=False)
    save_generator(files.checkpoint, generator.state_dict(), CONFIG, LABELS, {"weights": "drawn"})
    del generator
    export_onnx(files.checkpoint, files.fp32, compare=False)
    export_onnx(files.checkpoint, files.split, compare=False, cache_layout=True)
    onnx.save(with_float_image(onnx.load(files.fp32, load_external_data=False)), files.before_bytes)
    layouts = folder / "layouts"
    layouts.mkdir()
    for seed in range(1, 1 + CALIBRATION_LAYOUTS):
        write_layout(layouts / f"{seed}.png", arguments(seed)["labels"][0], LABELS)
    calibrate(files.fp32, str(layouts), files.int8)
    np.savez(files.inputs, **arguments(0))  # type: ignore[arg-type]
    return files


def arguments(seed: int) -> dict[str, NDArray]:
    """A layout of patches with instances, and a latent."""
    random = np.random.default_rng(seed)
    patches = random.integers(0, len(LABELS.labels), (1, SIDE // 16, SIDE // 16)).astype(np.uint8)
    labels = np.kron(patches, np.ones((1, 16, 16), np.uint8))
    z = random.standard_normal((1, CONFIG.latent), np.float32)
    return {"labels": labels, "instances": labels.astype(np.int32), "z": z}


def generator_rows(files: Files, rounds: int, threads: int = 2) -> Iterator[Row]:
    """Time, peak memory and difference of the images.

    Args:
        files: from `make_files`.
        rounds: runs of each.
        threads: number of threads of each candidate.
    """
    inputs = str(files.inputs)
    specs = {
        "published": {"kind": "published", "checkpoint": str(files.checkpoint), "inputs": inputs},
        "fp32": {"kind": "native", "model": str(files.fp32), "inputs": inputs},
        "int8": {"kind": "native", "model": str(files.int8), "inputs": inputs},
    }
    costs = compare(specs, threads, rounds, warm_up_runs=0)
    published, fp32, int8 = costs["published"], costs["fp32"], costs["int8"]
    name = "paper's COCO generator {}, 256x256 / published formulation in torch"
    for what, cost, target in (("FP32", fp32, "ratio >= 3"), ("INT8", int8, "ratio >= 7")):
        yield less_is_better(name.format(what), cost.ms, published.ms, "ms", target)
    for what, cost, target in (("FP32", fp32, "ratio > 2"), ("INT8", int8, "")):
        yield less_is_better(
            f"{name.format(what)}: peak memory", cost.peak_mb, published.peak_mb, "MB", target
        )
    yield from _difference_rows(files, published, int8, fp32)
    split = {"kind": "render", "model": str(files.split), "inputs": inputs}
    render = compare({"render": split}, threads, rounds, warm_up_runs=0)["render"]
    name = "paper's COCO generator FP32: another latent for a layout that was set / a whole run"
    yield less_is_better(name, render.ms, fp32.ms, "ms")


def _difference_rows(files: Files, published: Cost, int8: Cost, fp32: Cost) -> Iterator[Row]:
    """Difference of the images, beside one gray level of the bytes, in the range [-1, 1]."""
    spec = {"kind": "native", "model": str(files.before_bytes), "inputs": str(files.inputs)}
    image = compare({"float": spec}, 1, 1, warm_up_runs=0)["float"].result
    name = "paper's COCO generator {}: {} difference from the {} image / one gray level"
    levels = {
        ("FP32", "largest", "published", "ours <= 0.001"): np.abs(image - published.result).max(),
        ("INT8", "mean", "FP32", ""): np.abs(int8.result.astype(np.float32) - fp32.result).mean() / 127.5,
    }
    for (what, which, other, target), difference in levels.items():
        yield less_is_better(name.format(what, which, other), float(difference), 1 / 127.5, "", target)
