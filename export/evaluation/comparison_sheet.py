"""A sheet of images to compare: a row for each layout, a column for what was made of it.

Run as ``python -m layoutrt.export.evaluation.comparison_sheet
--data DIR --out F.jpg [NAME=]MODEL …`` for the columns
layout, real image, and one for each model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from layoutrt.artifacts.model_info import GENERATOR
from layoutrt.errors import LayoutRTError
from layoutrt.export.any_model import OpenModel, open_model
from layoutrt.export.evaluation.data import EvaluationData
from layoutrt.files import drawable, replacing
from layoutrt.layouts import colorize

_BACKGROUND = (250, 250, 248)
_TEXT = (45, 45, 45)
_GAP = 6
_HEAD = 34
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SUFFIXES = (".jpg", ".jpeg", ".png")


def comparison_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]], headers: Sequence[str]
) -> NDArray[np.uint8]:
    """Lay out images of one size under the headings of their columns.

    Args:
        rows: of images uint8 [H,W,3] RGB, as many in each row as there are headers.
        headers: plain text.

    Returns:
        uint8 [height,width,3], RGB.
    """
    height, width = rows[0][0].shape[:2]
    step_y, step_x = height + _GAP, width + _GAP
    sheet = np.full((_HEAD + len(rows) * step_y, len(headers) * step_x + _GAP, 3), _BACKGROUND, np.uint8)
    for column, text in enumerate(map(drawable, headers)):
        # Shrunk where a heading is wider than its column.
        scale = min(0.55, 0.55 * width / max(1, cv2.getTextSize(text, _FONT, 0.55, 1)[0][0]))
        place = (_GAP + column * step_x, _HEAD - 12)
        cv2.putText(sheet, text, place, _FONT, scale, _TEXT, 1, cv2.LINE_AA)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            top, left = _HEAD + y * step_y, _GAP + x * step_x
            sheet[top : top + height, left : left + width] = image
    return sheet


def check_sheet_path(path: Path) -> None:
    """Refuse a file name that says no image format a sheet is written in."""
    if path.suffix.lower() not in _SUFFIXES:
        raise LayoutRTError(f"a sheet cannot be written as {path}; name a {', '.join(_SUFFIXES)} file")


def write_sheet(path: Path, sheet: NDArray[np.uint8]) -> None:
    """Write uint8 [height,width,3] RGB as JPEG or PNG, all or nothing."""
    check_sheet_path(path)
    options = [] if path.suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, 92]
    data = cv2.imencode(path.suffix, sheet[..., ::-1], options)[1].tobytes()
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def compare(
    models: dict[str, OpenModel], data: Path, rows: int, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """A sheet of validation layouts, their real images, and what each model makes of them.

    Args:
        models: by the heading of their column; all of one label set, without instances or latent.
        data: folder of a data set with a validation split.
        rows: layouts, evenly spread over the split.
        size: (height, width); that of the first model by default.

    Raises:
        LayoutRTError: the models do not fit each other or the size, or the data cannot be read.
    """
    infos = [model.info for model in models.values()]
    first = infos[0]
    size = size or first.run_size
    for model in infos:
        model.check_size(size)
        if model.label_set != first.label_set:
            raise LayoutRTError(
                f"model {model.name} has the label set '{model.label_set.name}' and {first.name} "
                f"'{first.label_set.name}'; compare models of one label set"
            )
        if model.needs_instances or model.latent:
            raise LayoutRTError(
                f"model {model.name} reads instances or a latent; use layoutrt evaluate --sheet"
            )
    found: list[list[NDArray[np.uint8]]] = []
    for batch in EvaluationData(data, first.label_set, size, limit=rows).batches(1):
        layout = colorize(batch.labels[0], first.label_set)
        found.append(
            [layout, batch.images[0], *(m.run({"labels": batch.labels})[0] for m in models.values())]
        )
    return comparison_sheet(found, ["layout", "real", *models])


def main() -> None:
    """Render and write a sheet."""
    parser = argparse.ArgumentParser(
        prog="python -m layoutrt.export.evaluation.comparison_sheet",
        description=(__doc__ or "").split("\n")[0],
    )
    parser.add_argument("models", nargs="+", metavar="[NAME=]MODEL", help="checkpoint, ONNX or shipped name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=6)
    options = parser.parse_args()
    models: dict[str, OpenModel] = {}
    try:
        for text in options.models:
            heading, equals, model = text.partition("=")
            opened = open_model(model if equals else text, kind=GENERATOR)
            models[heading if equals else opened.info.name] = opened
        write_sheet(options.out, compare(models, options.data, options.rows))
    except LayoutRTError as error:
        sys.exit(f"error: {error}")
    finally:
        for opened in models.values():
            opened.close()


if __name__ == "__main__":
    main()
