"""Comparison of a model with its reference: two generators or segmenters on the same inputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from layoutrt.artifacts.model_info import CHECKPOINT, ENGINE, GENERATOR, SEGMENTER, ModelInfo
from layoutrt.calib.quality.fidelity import FidelityMeter
from layoutrt.errors import LayoutRTError
from layoutrt.export.any_model import OpenModel, check_pair, common_size, load_graph, open_model
from layoutrt.export.verification.checks import Thresholds, check_all
from layoutrt.export.verification.data import Frame, VerificationData
from layoutrt.export.verification.layer_comparison import LayerComparison, compare_layers
from layoutrt.export.verification.page import write_page
from layoutrt.export.verification.report import DataFacts, ModelFacts, Verification
from layoutrt.export.verification.segmentation_agreement import AgreementMeter
from layoutrt.export.verification.worst_frames import (
    AMPLIFIED,
    FrameResult,
    WorstFrames,
    amplified_difference,
    marked_disagreement,
)
from layoutrt.files import check_not_inputs, file_digest, write_json
from layoutrt.graph.onnx_file import weights_path
from layoutrt.layouts import colorize

DEFAULT_SEGMENTER = "camvid-seg"
_WORST, _COURSE, _LAYER_FRAMES = 6, 160, 4


def verify(
    reference: str | Path,
    candidate: str | Path,
    data: str,
    *,
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    segmenter: str | Path | None = None,
    thresholds: Thresholds | None = None,
    layers: bool = False,
    threads: int | None = None,
    json_file: Path | None = None,
    html: Path | None = None,
    progress: bool = False,
) -> Verification:
    """Run two models on the same inputs and measure how far the candidate is from the reference.

    The files are written whether the checks pass or not. Memory does not grow with the number of frames.

    Args:
        reference: as of `open_model`.
        candidate: a model of the same kind, label set and inputs.
        data: as of `VerificationData`.
        frames: at most so many, evenly spread; all by default.
        size: (height, width) to compare at, for models that take several.
        segmenter: what looks at generators' images, of their label set; by default the shipped one where it
            fits, and none where not.
        thresholds: of the checks; the usual ones by default.
        layers: compare the tensors of both graphs as well; both models must be ONNX files.
        threads: of one run of an exported model; None for one per processor.
        json_file: where to write the result, ``-`` for standard output, (`Verification.to_json`).
        html: where to write a page with the worst frames.
        progress: show a progress bar.

    Raises:
        LayoutRTError: a file or argument cannot be used, or the models do not fit each other.
    """
    started = time.perf_counter()
    opened: list[OpenModel] = []
    try:
        for model in (reference, candidate):
            opened.append(open_model(model, threads))
        run_a, run_b = opened
        a, b = run_a.info, run_b.info
        for option, file in (("--json", json_file), ("--html", html)):
            if file:
                check_not_inputs([file], [a.path, b.path], option)
        check_pair(a, b)
        if layers:
            _check_graphs(a, b)
        size = common_size(a, b, size)
        evaluator, reason = _evaluator(segmenter, a, size, threads, opened)
        inputs = VerificationData(data, a, size, frames)
        comparison = _Comparison(run_a, run_b, evaluator, len(inputs), pictures=html is not None)
        for frame in track(inputs, "verifying", total=len(inputs), transient=True, disable=not progress):
            comparison.add(frame)
        compared = _layers(a, b, inputs, threads) if layers else None
        fidelity = comparison.images.result() if a.kind == GENERATOR else None
        segmentation = comparison.labels.result() if evaluator or a.kind == SEGMENTER else None
        found = Verification(
            kind=a.kind,
            reference=_facts(run_a),
            candidate=_facts(run_b),
            data=DataFacts(data, len(inputs), f"{size[0]}x{size[1]}"),
            fidelity=fidelity,
            segmenter=_facts(evaluator) if evaluator else None,
            segmentation=segmentation,
            segmentation_reason=reason,
            checks=check_all(fidelity, segmentation, reason, thresholds or Thresholds()),
            worst=comparison.worst.result(),
            course=tuple(comparison.course),
            layers=compared,
            seconds=time.perf_counter() - started,
        )
    finally:
        for model_ in opened:
            model_.close()
    if json_file:
        write_json(json_file, found.to_json())
    if html:
        write_page(html, found)
    return found


class _Comparison:
    """Running results over the frames."""

    def __init__(
        self, a: OpenModel, b: OpenModel, evaluator: OpenModel | None, frames: int, *, pictures: bool
    ) -> None:
        self._a, self._b, self._evaluator, self._frames = a, b, evaluator, frames
        self.images, self.labels = FidelityMeter(), AgreementMeter(a.info.label_set)
        self.worst = WorstFrames(_WORST, pictures)
        self.course = [0.0] * min(frames, _COURSE)

    def add(self, frame: Frame) -> None:
        """Run both models on a frame."""
        found, other = (model.run(frame.arguments)[0] for model in (self._a, self._b))
        if self._a.info.kind == GENERATOR:
            fidelity = self.images.add(found, other)
            agreement = None
            if self._evaluator:
                seen, seen_other = (
                    self._evaluator.run({"frame": image[None]})[0] for image in (found, other)
                )
                agreement = self.labels.add(seen, seen_other, frame.labels)
            result = FrameResult(frame.index, frame.name, fidelity, agreement)
        else:
            agreement = self.labels.add(found, other, frame.labels)
            result = FrameResult(frame.index, frame.name, None, agreement)
        part = frame.index * len(self.course) // self._frames
        self.course[part] = max(self.course[part], result.badness)
        self.worst.add(result, lambda: self._views(frame, found, other))

    def _views(
        self, frame: Frame, found: NDArray[np.uint8], other: NDArray[np.uint8]
    ) -> Sequence[tuple[str, NDArray[np.uint8]]]:
        if self._a.info.kind == GENERATOR:
            return [
                ("layout", frame.picture),
                (f"reference, {self._a.info.path.name}", found),
                (f"candidate, {self._b.info.path.name}", other),
                (f"difference, {AMPLIFIED} times", amplified_difference(found, other)),
            ]
        return [
            ("frame", frame.picture),
            *(
                (model.info.path.name, colorize(labels, model.info.label_set))
                for model, labels in ((self._a, found), (self._b, other))
            ),
            ("where they disagree", marked_disagreement(frame.picture, found, other)),
        ]


def _evaluator(
    segmenter: str | Path | None,
    generator: ModelInfo,
    size: tuple[int, int],
    threads: int | None,
    opened: list[OpenModel],
) -> tuple[OpenModel | None, str | None]:
    """The segmenter that looks at the images, or the reason why none does."""
    if generator.kind != GENERATOR:
        if segmenter is not None:
            raise LayoutRTError("--segmenter looks at generators' images; leave it out for two segmenters")
        return None, None
    opened.append(open_model(segmenter or DEFAULT_SEGMENTER, threads))
    evaluator, reason = opened[-1].info, None
    if evaluator.kind != SEGMENTER:
        reason = f"{evaluator.path} is a {evaluator.kind} and not a segmenter"
    elif evaluator.label_set != generator.label_set:
        reason = (
            f"segmenter {evaluator.name} has the label set '{evaluator.label_set.name}' and the models "
            f"'{generator.label_set.name}'"
        )
    elif (evaluator.size or size) != size or any(length % evaluator.size_multiple for length in size):
        reason = f"segmenter {evaluator.name} cannot take {size[0]}x{size[1]}"
    if reason and segmenter is not None:
        raise LayoutRTError(f"{reason}; give a --segmenter that fits, or leave it out")
    return (None, reason) if reason else (opened[-1], None)


def _check_graphs(*models: ModelInfo) -> None:
    for model in models:
        if model.format == CHECKPOINT:
            raise LayoutRTError(
                f"--layers compares ONNX graphs and {model.path} is a checkpoint; export it, or leave it out"
            )
        if model.format == ENGINE:
            raise LayoutRTError(
                f"--layers compares ONNX graphs and {model.path} is an engine; give the .onnx file that it "
                "was built from, or leave it out"
            )
        if model.batch and model.batch > 1:
            raise LayoutRTError(
                f"--layers compares graphs of one input and {model.path} takes {model.batch} a run; "
                "export it without --batch, or leave it out"
            )
        if model.render_file:
            raise LayoutRTError(
                f"--layers compares whole graphs and {model.path} is half of one; "
                "export it without --cache-layout"
            )


def _layers(a: ModelInfo, b: ModelInfo, inputs: VerificationData, threads: int | None) -> LayerComparison:
    few = list(inputs.inputs(min(len(inputs), _LAYER_FRAMES)))
    return compare_layers(load_graph(a), load_graph(b), few, threads=threads)


def _facts(model: OpenModel) -> ModelFacts:
    info = model.info
    weights = weights_path(info.path)
    return ModelFacts(
        name=info.path.name,
        sha256=file_digest(info.path),
        weights_sha256=file_digest(weights) if weights.is_file() else None,
        version=info.version,
        precision=info.precision,
        backend=model.backend,
    )
