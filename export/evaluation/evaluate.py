"""Quality of a generator: what a segmenter finds in its images, and how far they are from real ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from layoutrt.artifacts.model_info import GENERATOR, ModelInfo
from layoutrt.calib.observe.calibration_inputs import evenly_spread
from layoutrt.errors import LayoutRTError
from layoutrt.export.any_model import OpenModel, open_model
from layoutrt.export.evaluation.comparison_sheet import check_sheet_path, comparison_sheet, write_sheet
from layoutrt.export.evaluation.data import Batch, EvaluationData
from layoutrt.export.evaluation.report import (
    DataFacts,
    Diversity,
    Evaluation,
    ModelFacts,
    NetworkFacts,
    SegmentationScore,
)
from layoutrt.files import check_not_inputs, file_digest, write_json
from layoutrt.inputs import JUDGING
from layoutrt.layouts import LabelSet, colorize
from layoutrt.layouts.confusion import ConfusionMatrix
from layoutrt.models import resolve_checkpoint
from layoutrt.train.checkpoint import load_segmenter
from layoutrt.train.metrics.diversity import pairwise_distance
from layoutrt.train.metrics.features import Features, SegmenterFeatures, open_features
from layoutrt.train.metrics.frechet import frechet_distance
from layoutrt.train.networks.segmenter import Segmenter

SEGMENTER = "camvid-seg"
SHEET_ROWS = 8


def evaluate(
    model: str | Path,
    data: Path,
    *,
    dataset: str = "auto",
    segmenter: str | Path = SEGMENTER,
    features: str = "segmenter",
    size: tuple[int, int] | None = None,
    limit: int | None = None,
    samples_per_layout: int = 4,
    batch: int = 4,
    threads: int | None = None,
    json_file: Path | None = None,
    sheet: Path | None = None,
    progress: bool = False,
) -> Evaluation:
    """Render the layouts of a data set's validation split and measure the images.

    The first sample of each layout counts for the segmentation scores and the Fréchet distance. Latents are
    drawn from the layout's place and the sample's number, so results depend on nothing but the files.
    Memory grows with the number of images by their feature vectors alone.

    Args:
        model: generator, as of `open_model`.
        data: folder of the data set.
        dataset: kind of data set, as of `open_dataset`.
        segmenter: checkpoint or shipped name; of the model's label set.
        features: ``"segmenter"``, or ``"inception:PATH"`` for the Fréchet Inception Distance.
        size: (height, width) of the evaluation; the model's own, or that of its training, by default.
        limit: layouts to use, evenly spread over the split; all by default.
        samples_per_layout: images of each layout for the diversity, where the model has a latent.
        batch: layouts that are rendered at once.
        threads: of one run of an exported model; None for one per processor.
        json_file: where to write the result, ``-`` for standard output, as JSON.
        sheet: where to write a sheet of layouts, real and synthesized images, JPEG or PNG.
        progress: show a progress bar.

    Raises:
        LayoutRTError: a file or argument cannot be used, or model, segmenter and data do not fit each other.
    """
    started = time.perf_counter()
    if sheet:
        check_sheet_path(sheet)
    renderer = open_model(model, threads, GENERATOR)
    info = renderer.info
    try:
        if json_file:
            check_not_inputs([json_file], [info.path, resolve_checkpoint(segmenter)], "--json")
        evaluator = _open_evaluator(segmenter, features, info)
        size = size or info.run_size
        info.check_size(size)
        evaluator.segmenter.config.check_size(*size)
        samples = EvaluationData(data, info.label_set, size, dataset=dataset, limit=limit)
        if len(samples) < 2:
            raise LayoutRTError(
                f"{data} has one validation image, and a Fréchet distance needs two or more; use more images"
            )
        if info.needs_instances and not samples.has_instances:
            raise LayoutRTError(
                f"model {info.name} reads instance ids and {data} has none; use a data set with instances"
            )
        count = samples_per_layout if info.latent else 1
        totals = _Totals(info.label_set)
        shown = set(evenly_spread(range(len(samples)), SHEET_ROWS)) if sheet else set()
        batches = -(-len(samples) // batch)
        for found in track(
            samples.batches(batch), "evaluating", total=batches, transient=True, disable=not progress
        ):
            images = [_render(renderer, found, k) for k in range(count)]
            totals.add(evaluator, found, images)
            totals.rows += [
                [colorize(found.labels[i], samples.label_set), found.images[i], images[0][i]]
                for i in range(len(found.labels))
                if found.first + i in shown
            ]
        if sheet:
            write_sheet(sheet, comparison_sheet(totals.rows, ["layout", "real", info.name]))
        real, synthesized = np.concatenate(totals.real_vectors), np.concatenate(totals.vectors)
        evaluation = Evaluation(
            model=ModelFacts(info.name, file_digest(info.path), info.precision, renderer.backend),
            data=DataFacts(data.resolve().name, JUDGING, len(samples), f"{size[0]}x{size[1]}"),
            segmenter=NetworkFacts(evaluator.name, evaluator.sha256),
            features=NetworkFacts(evaluator.features.name, evaluator.features.sha256),
            synthesized=SegmentationScore.of(totals.confusion, info.label_set.names),
            real=SegmentationScore.of(totals.real_confusion, info.label_set.names),
            frechet_name=evaluator.features.metric,
            frechet=frechet_distance(real, synthesized),
            frechet_vectors=len(real),
            diversity=_diversity(totals.distances, info, count),
            seconds=time.perf_counter() - started,
        )
    finally:
        renderer.close()
    if json_file:
        write_json(json_file, evaluation.to_json())
    return evaluation


@dataclass(frozen=True)
class _Evaluator:
    """The networks that look at images."""

    name: str
    sha256: str
    segmenter: Segmenter
    features: Features
    dont_care: int | None

    @torch.no_grad()
    def predict(self, images: Tensor) -> NDArray[np.uint8]:
        """Class indices [N,H,W] of images [N,3,H,W]; "don't care" is never predicted."""
        scores = self.segmenter(images)
        if self.dont_care is not None:
            scores[:, self.dont_care] = -torch.inf
        return scores.argmax(1).to(torch.uint8).numpy()


class _Totals:
    """Running results over the images."""

    def __init__(self, label_set: LabelSet) -> None:
        self.confusion = ConfusionMatrix(label_set.num_classes, label_set.dont_care)
        self.real_confusion = ConfusionMatrix(label_set.num_classes, label_set.dont_care)
        self.vectors: list[NDArray[np.float32]] = []
        self.real_vectors: list[NDArray[np.float32]] = []
        self.distances: list[float] = []
        self.rows: list[list[NDArray[np.uint8]]] = []

    def add(self, evaluator: _Evaluator, batch: Batch, images: list[NDArray[np.uint8]]) -> None:
        """Evaluate a batch; ``images`` holds each sample of all its layouts, uint8 [N,H,W,3]."""
        real, samples = _to_tensor(batch.images), [_to_tensor(sample) for sample in images]
        self.real_confusion.add(batch.labels, evaluator.predict(real))
        self.confusion.add(batch.labels, evaluator.predict(samples[0]))
        self.real_vectors.append(evaluator.features.vectors(real))
        self.vectors.append(evaluator.features.vectors(samples[0]))
        if len(samples) > 1:
            with torch.no_grad():
                layers = [evaluator.segmenter.features(sample) for sample in samples]
            for i in range(len(batch.labels)):
                self.distances.append(
                    pairwise_distance(
                        [torch.stack([of[k][i] for of in layers]) for k in range(len(layers[0]))]
                    )
                )


def _open_evaluator(segmenter: str | Path, features: str, info: ModelInfo) -> _Evaluator:
    network, label_set, _ = load_segmenter(segmenter)
    path = resolve_checkpoint(segmenter)
    if label_set != info.label_set:
        raise LayoutRTError(
            f"model {info.name} has the label set '{info.label_set.name}' "
            f"({info.label_set.num_classes} classes) and segmenter {path.stem} '{label_set.name}' "
            f"({label_set.num_classes}); give a --segmenter that was trained on the model's label set"
        )
    sha256 = file_digest(path)
    own = SegmenterFeatures(network, path.stem, sha256)
    return _Evaluator(path.stem, sha256, network, open_features(features, own), label_set.dont_care)


def _render(model: OpenModel, batch: Batch, sample: int) -> NDArray[np.uint8]:
    """The images of a batch, uint8 [N,H,W,3]."""
    arguments: dict[str, NDArray] = {"labels": batch.labels}
    if model.info.needs_instances and batch.instances is not None:
        arguments["instances"] = batch.instances
    if latent := model.info.latent:
        places = range(batch.first, batch.first + len(batch.labels))
        seeds = (np.random.default_rng([place, sample]) for place in places)
        arguments["z"] = np.stack([seed.standard_normal(latent, np.float32) for seed in seeds])
    return model.run(arguments)


def _diversity(distances: list[float], info: ModelInfo, count: int) -> Diversity:
    if not info.latent:
        return Diversity(None, 1, "the model has no latent: a layout has one image")
    if count < 2:
        return Diversity(None, count, "one sample for each layout; ask for two or more")
    return Diversity(float(np.mean(distances)), count)


def _to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """uint8 [N,H,W,3] -> float32 ``[N, 3, H, W]`` in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1)
