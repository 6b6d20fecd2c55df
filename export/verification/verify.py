"""Whether a model does what its reference does: two generators or segmenters on the same inputs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from layoutrt.artifacts.engine_manifest import is_engine
from layoutrt.calib.quality.fidelity import FidelityMeter
from layoutrt.errors import LayoutRTError
from layoutrt.export.any_model import (
    GENERATOR,
    SEGMENTER,
    ExportedModel,
    VerifiedModel,
    check_pair,
    common_size,
    load_graph,
    open_model,
)
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
    opened: list[VerifiedModel] = []
    try:
        for model in (reference, candidate):
            opened.append(open_model(model, threads))
        a, b = opened
        for option, file in (("--json", json_file), ("--html", html)):
            if file:
                check_not_inputs([file], [a.path, b.path], option)
        check_pair(a, b)
        if layers:
            _check_graphs(a, b)
        size = common_size(a, b, size)
        judge, reason = _judge(segmenter, a, size, threads, opened)
        inputs = VerificationData(data, a, size, frames)
        comparison = _Comparison(a, b, judge, len(inputs), pictures=html is not None)
        for frame in track(inputs, "verifying", total=len(inputs), transient=True, disable=not progress):
            comparison.add(frame)
        compared = _layers(a, b, inputs, threads) if layers else None
        fidelity = comparison.images.result() if a.kind == GENERATOR else None
        segmentation = comparison.labels.result() if judge or a.kind == SEGMENTER else None
        found = Verification(
            kind=a.kind,
            reference=_facts(a),
            candidate=_facts(b),
            data=DataFacts(data, len(inputs), f"{size[0]}x{size[1]}"),
            fidelity=fidelity,
            segmenter=_facts(judge) if judge else None,
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
    """What is kept of the frames."""

    def __init__(
        self, a: VerifiedModel, b: VerifiedModel, judge: VerifiedModel | None, frames: int, *, pictures: bool
    ) -> None:
        self._a, self._b, self._judge, self._frames = a, b, judge, frames
        self.images, self.labels = FidelityMeter(), AgreementMeter(a.label_set)
        self.worst = WorstFrames(_WORST, pictures)
        self.course = [0.0] * min(frames, _COURSE)

    def add(self, frame: Frame) -> None:
        """Run both models on a frame."""
        found, other = self._a.run(frame.arguments), self._b.run(frame.arguments)
        if self._a.kind == GENERATOR:
            fidelity = self.images.add(found, other)
            agreement = None
            if self._judge:
                seen, seen_other = (self._judge.run({"frame": image[None]}) for image in (found, other))
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
        if self._a.kind == GENERATOR:
            return [
                ("layout", frame.picture),
                (f"reference, {self._a.name}", found),
                (f"candidate, {self._b.name}", other),
                (f"difference, {AMPLIFIED} times", amplified_difference(found, other)),
            ]
        return [
            ("frame", frame.picture),
            *(
                (model.name, colorize(labels, model.label_set))
                for model, labels in ((self._a, found), (self._b, other))
            ),
            ("where they disagree", marked_disagreement(frame.picture, found, other)),
        ]


def _judge(
    segmenter: str | Path | None,
    generator: VerifiedModel,
    size: tuple[int, int],
    threads: int | None,
    opened: list[VerifiedModel],
) -> tuple[VerifiedModel | None, str | None]:
    """What looks at the images, or why nothing does."""
    if generator.kind != GENERATOR:
        if segmenter is not None:
            raise LayoutRTError("--segmenter looks at generators' images; leave it out for two segmenters")
        return None, None
    judge = open_model(segmenter or DEFAULT_SEGMENTER, threads)
    opened.append(judge)
    reason = None
    if judge.kind != SEGMENTER:
        reason = f"{judge.path} is no segmenter"
    elif judge.label_set != generator.label_set:
        reason = (
            f"segmenter {judge.name} has the label set '{judge.label_set.name}' and the models "
            f"'{generator.label_set.name}'"
        )
    elif (judge.size or size) != size or any(length % judge.size_multiple for length in size):
        reason = f"segmenter {judge.name} cannot take {size[0]}x{size[1]}"
    if reason and segmenter is not None:
        raise LayoutRTError(f"{reason}; give a --segmenter that fits, or leave it out")
    return (None, reason) if reason else (judge, None)


def _check_graphs(*models: VerifiedModel) -> None:
    for model in models:
        if not isinstance(model, ExportedModel):
            raise LayoutRTError(
                f"--layers compares ONNX graphs and {model.path} is a checkpoint; export it, or leave it out"
            )
        if is_engine(model.path):
            raise LayoutRTError(
                f"--layers compares ONNX graphs and {model.path} is an engine; give the .onnx file that it "
                "was built from, or leave it out"
            )
        if model.batch and model.batch > 1:
            raise LayoutRTError(
                f"--layers compares graphs of one input and {model.path} takes {model.batch} a run; "
                "export it without --batch, or leave it out"
            )
        if model.in_two_files:
            raise LayoutRTError(
                f"--layers compares whole graphs and {model.path} is half of one; "
                "export it without --cache-layout"
            )


def _layers(
    a: VerifiedModel, b: VerifiedModel, inputs: VerificationData, threads: int | None
) -> LayerComparison:
    few = list(inputs.inputs(min(len(inputs), _LAYER_FRAMES)))
    return compare_layers(load_graph(a.path), load_graph(b.path), few, threads=threads)


def _facts(model: VerifiedModel) -> ModelFacts:
    weights = weights_path(model.path)
    return ModelFacts(
        name=model.name,
        sha256=file_digest(model.path),
        weights_sha256=file_digest(weights) if weights.is_file() else None,
        version=model.version,
        precision=model.precision,
        backend=model.backend,
    )
